// Draws the fleet map on one canvas and reports a click as the trigger value "host".
// Rows of the room are blocks; a rack is a column of hosts. Cells shrink until the map fits.

const SIZES = [
  { w: 124, h: 30, gap: 4, rackGap: 14, head: 18, text: true },
  { w: 30, h: 15, gap: 2, rackGap: 6, head: 16 },
  { w: 16, h: 10, gap: 1, rackGap: 3, head: 0 },
  { w: 9, h: 7, gap: 1, rackGap: 2, head: 0 },
  { w: 6, h: 5, gap: 1, rackGap: 1, head: 0 },
];
const FITS = 640, ROW_HEAD = 16, BLOCK_GAP = 14;
const STATUS = { i: "idle", b: "busy", g: "draining", d: "drained", x: "down", u: "unknown to the scheduler" };
const SEVERITY = { i: "info", w: "warning", c: "critical" };
const BLAMED = "#e0313f";
const OUT = "gdx";

// Calm blue-grey where it is cool, red where it is hot; lightness peaks between, so it reads without hue.
const STOPS = [[0, [98, 132, 163]], [0.4, [142, 175, 194]], [0.6, [226, 220, 170]], [0.78, [238, 166, 78]], [0.9, [217, 74, 46]], [1, [146, 10, 36]]];
function colour(share) {
  const x = Math.min(1, Math.max(0, share));
  const i = Math.max(1, STOPS.findIndex(([end]) => x <= end));
  const [a, from] = STOPS[i - 1], [b, to] = STOPS[i], t = (x - a) / (b - a);
  const c = from.map((v, k) => Math.round(v + t * (to[k] - v)));
  return { fill: `rgb(${c.join(",")})`, dark: 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2] < 140 };
}

// Places every rack: rows are blocks that flow over the width, racks wrap inside a block.
function arrange(rows, size, width) {
  const rackWidth = size.w + size.rackGap, perLine = Math.max(1, Math.floor((width + size.rackGap) / rackWidth));
  const placed = [], labels = [];
  let x = 0, y = 0, lineHeight = 0;
  for (const [name, racks] of rows) {
    const columns = Math.min(racks.length, perLine), blockWidth = columns * rackWidth - size.rackGap;
    if (x > 0 && x + blockWidth > width) { x = 0; y += lineHeight + BLOCK_GAP; lineHeight = 0; }
    const tallest = Math.max(1, ...racks.map((rack) => rack.hosts.length));
    const rackHeight = size.head + tallest * (size.h + size.gap);
    labels.push({ text: name, x, y: y + 11, width: blockWidth });
    racks.forEach((rack, r) => {
      const top = y + ROW_HEAD + Math.floor(r / columns) * (rackHeight + 6);
      placed.push({ rack, x: x + (r % columns) * rackWidth, top, bottom: top + rackHeight });
    });
    lineHeight = Math.max(lineHeight, ROW_HEAD + Math.ceil(racks.length / columns) * (rackHeight + 6));
    x += blockWidth + BLOCK_GAP;
  }
  return { placed, labels, height: y + lineHeight };
}

function hatch(ctx, x, y, w, h) {
  ctx.save();
  ctx.beginPath(); ctx.rect(x, y, w, h); ctx.clip();
  ctx.strokeStyle = "rgba(16,24,32,.75)"; ctx.lineWidth = w < 20 ? 1 : 2;
  ctx.beginPath();
  for (let d = -h; d < w; d += w < 20 ? 4 : 7) { ctx.moveTo(x + d, y + h); ctx.lineTo(x + d + h, y); }
  ctx.stroke();
  ctx.restore();
}

function frame(ctx, box, blamed, text) {
  const thick = blamed ? (text ? 4 : 2) : (text ? 2 : 1);
  ctx.strokeStyle = blamed ? BLAMED : ctx.textColour;
  ctx.lineWidth = thick;
  ctx.strokeRect(box.x + thick / 2, box.y + thick / 2, box.w - thick, box.h - thick);
}

function drawCell(ctx, box, data, text) {
  const { x, y, w, h, rack, i } = box, celsius = rack.celsius[i], severity = rack.severity[i];
  const paint = celsius === null ? null : colour((celsius - data.low) / (data.high - data.low));
  if (paint) {
    ctx.fillStyle = paint.fill;
    ctx.fillRect(x, y, w, h);
  } else {
    ctx.setLineDash(text ? [3, 3] : [1, 1]); ctx.strokeStyle = "#8c9aa8"; ctx.lineWidth = 1;
    ctx.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1); ctx.setLineDash([]);
  }
  const out = OUT.includes(rack.status[i]);
  if (out) hatch(ctx, x, y, text ? 14 : w, h);
  if (severity !== "-") frame(ctx, box, severity === severity.toUpperCase(), text);
  if (!text) return;
  ctx.fillStyle = paint ? (paint.dark ? "#fff" : "#16222e") : ctx.textColour;
  ctx.font = "600 12px sans-serif"; ctx.textAlign = "left";
  ctx.fillText(rack.hosts[i], x + (out ? 19 : 9), y + h / 2 + 4, w - 66);
  ctx.font = "12px sans-serif"; ctx.textAlign = "right";
  ctx.fillText(celsius === null ? (rack.stale[i] === "1" ? "no data" : "no temp.") : celsius.toFixed(0) + " °C", x + w - 9, y + h / 2 + 4);
}

function describe({ rack, i }) {
  const letter = rack.severity[i], celsius = rack.celsius[i];
  const lines = [`${rack.hosts[i]}, ${rack.name}: ${STATUS[rack.status[i]]}`];
  lines.push(celsius === null ? (rack.stale[i] === "1" ? "no recent data at all" : "no recent temperature") : `hottest accelerator ${celsius.toFixed(1)} °C`);
  if (letter !== "-") lines.push(`${letter === letter.toUpperCase() ? "blamed" : "affected"} by an open incident, ${SEVERITY[letter.toLowerCase()]}`);
  return lines.join("\n");
}

function drawLegend(root, data) {
  const scale = root.querySelector("#scale"), ctx = scale.getContext("2d");
  for (let x = 0; x < scale.width; x++) { ctx.fillStyle = colour(x / scale.width).fill; ctx.fillRect(x, 0, 1, scale.height); }
  root.querySelector("#ends").textContent = `${data.low} to ${data.high} °C`;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const canvas = parentElement.querySelector("#map"), tip = parentElement.querySelector("#tip");
  const racks = data.racks.map((rack) => ({ ...rack, hosts: rack.hosts ? rack.hosts.split(" ") : [] }));
  const rows = [...racks.reduce((map, rack) => map.set(rack.row, [...(map.get(rack.row) ?? []), rack]), new Map())];
  const hosts = racks.reduce((sum, rack) => sum + rack.hosts.length, 0);
  canvas.setAttribute("aria-label", `Map of ${hosts} hosts in ${racks.length} racks; open a node by name with the box above`);
  drawLegend(parentElement, data);
  let boxes = [], drawnWidth = 0;

  function draw() {
    const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
    if (!width) return;
    drawnWidth = width;
    let size, plan;
    for (size of SIZES) { plan = arrange(rows, size, width); if (plan.height <= FITS) break; }
    canvas.width = width * ratio; canvas.height = plan.height * ratio; canvas.style.height = plan.height + "px";
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    ctx.textColour = getComputedStyle(canvas).color;
    ctx.fillStyle = ctx.textColour; ctx.textAlign = "left"; ctx.font = "600 11px sans-serif";
    for (const label of plan.labels) ctx.fillText(label.text, label.x, label.y, Math.max(label.width, 40));
    boxes = [];
    for (const { rack, x, top, bottom } of plan.placed) {
      ctx.fillStyle = ctx.textColour; ctx.font = "600 12px sans-serif"; ctx.textAlign = "left";
      if (size.head) ctx.fillText(rack.name, x, top + 12, size.w);
      rack.hosts.forEach((_, i) => {
        const box = { x, y: bottom - (i + 1) * (size.h + size.gap), w: size.w, h: size.h, rack, i };
        boxes.push(box);
        drawCell(ctx, box, data, size.text);
      });
    }
  }

  const at = (event) => boxes.find((b) => event.offsetX >= b.x && event.offsetX < b.x + b.w && event.offsetY >= b.y && event.offsetY < b.y + b.h);
  canvas.onclick = (event) => { const box = at(event); if (box) setTriggerValue("host", box.rack.hosts[box.i]); };
  canvas.onmousemove = (event) => {
    const box = at(event);
    canvas.style.cursor = box ? "pointer" : "default";
    tip.style.display = box ? "block" : "none";
    if (!box) return;
    tip.textContent = describe(box);
    tip.style.left = Math.min(event.offsetX + 14, canvas.clientWidth - 260) + "px";
    tip.style.top = canvas.offsetTop + event.offsetY + 14 + "px";
  };
  canvas.onmouseleave = () => { tip.style.display = "none"; };
  const observer = new ResizeObserver(() => { if (canvas.clientWidth !== drawnWidth) draw(); });
  observer.observe(canvas);
  draw();
  return () => observer.disconnect();
}
