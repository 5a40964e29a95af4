// Draws the fleet map on one canvas and reports clicks as the trigger value "host".
// Cells shrink with the size of the fleet; text is drawn while it fits.

function layout(hosts, width) {
  const size = hosts <= 160 ? { w: 118, h: 30, text: true }
    : hosts <= 2500 ? { w: 26, h: 14, text: false }
    : { w: 10, h: 7, text: false };
  return { ...size, gap: size.text ? 4 : 1, pad: size.text ? 22 : 8, head: 20, width };
}

// Blue to red through pale yellow; lightness falls towards both ends, so it reads without hue too.
const STOPS = [[0, [49, 104, 171]], [0.35, [120, 172, 203]], [0.6, [250, 240, 190]], [0.8, [240, 140, 70]], [1, [165, 15, 40]]];
function colour(share) {
  const x = Math.min(1, Math.max(0, share));
  for (let i = 1; i < STOPS.length; i++) {
    if (x <= STOPS[i][0]) {
      const [a, ca] = STOPS[i - 1], [b, cb] = STOPS[i], t = (x - a) / (b - a);
      const c = ca.map((v, k) => Math.round(v + t * (cb[k] - v)));
      return { fill: `rgb(${c.join(",")})`, dark: 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2] < 140 };
    }
  }
  return { fill: "#888", dark: true };
}

function hatch(ctx, x, y, w, h) {
  ctx.save();
  ctx.beginPath(); ctx.rect(x, y, w, h); ctx.clip();
  ctx.strokeStyle = "rgba(20,30,40,.55)"; ctx.lineWidth = 2;
  for (let d = -h; d < w; d += 8) {
    ctx.beginPath(); ctx.moveTo(x + d, y + h); ctx.lineTo(x + d + h, y); ctx.stroke();
  }
  ctx.restore();
}

function drawCell(ctx, box, rack, i, data, text) {
  const { x, y, w, h } = box, celsius = rack.celsius[i];
  const paint = celsius === null ? { fill: "#cfd6dc", dark: false } : colour((celsius - data.low) / (data.high - data.low));
  ctx.fillStyle = paint.fill;
  ctx.fillRect(x, y, w, h);
  if (rack.out[i]) hatch(ctx, x, y, w, h);
  if (rack.severity[i]) {
    ctx.strokeStyle = rack.severity[i] === "critical" ? "#c8102e" : "#d98c00";
    ctx.lineWidth = rack.suspect[i] ? 4 : 1.5;
    ctx.strokeRect(x + 1, y + 1, w - 2, h - 2);
  }
  if (!text) return;
  if (rack.out[i]) { ctx.fillStyle = paint.fill; ctx.fillRect(x + 5, y + 6, w - 10, h - 12); }
  ctx.fillStyle = paint.dark ? "#fff" : "#10212f";
  ctx.font = "600 12px sans-serif"; ctx.textAlign = "left";
  ctx.fillText(rack.hosts[i], x + 8, y + h / 2 + 4);
  ctx.font = "12px sans-serif"; ctx.textAlign = "right";
  ctx.fillText(celsius === null ? "no data" : celsius.toFixed(0) + " °C", x + w - 8, y + h / 2 + 4);
}

function describe(rack, i) {
  const lines = [rack.hosts[i] + "  ·  " + rack.status[i]];
  lines.push(rack.celsius[i] === null ? "no recent temperature" : "hottest accelerator " + rack.celsius[i].toFixed(1) + " °C");
  if (rack.severity[i]) lines.push(rack.severity[i] + (rack.suspect[i] ? ": blamed by an open incident" : ": affected by an open incident"));
  return lines.join("\n");
}

export default function ({ data, parentElement, setTriggerValue }) {
  const canvas = parentElement.querySelector("#map"), tip = parentElement.querySelector("#tip");
  const hosts = data.racks.reduce((sum, rack) => sum + rack.hosts.length, 0);
  let boxes = [];

  function draw() {
    const width = canvas.clientWidth || 900, ratio = window.devicePixelRatio || 1;
    const l = layout(hosts, width), rackWidth = l.w + l.pad;
    const perRow = Math.max(1, Math.floor(width / rackWidth));
    const tallest = Math.max(1, ...data.racks.map((rack) => rack.hosts.length));
    const rackHeight = l.head + tallest * (l.h + l.gap) + 14;
    const height = Math.ceil(data.racks.length / perRow) * rackHeight;
    canvas.width = width * ratio; canvas.height = height * ratio; canvas.style.height = height + "px";
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio); ctx.clearRect(0, 0, width, height);
    boxes = [];
    data.racks.forEach((rack, r) => {
      const left = (r % perRow) * rackWidth, top = Math.floor(r / perRow) * rackHeight;
      ctx.fillStyle = getComputedStyle(canvas).color; ctx.textAlign = "left"; ctx.font = "600 13px sans-serif";
      ctx.fillText(rack.name, left, top + 13);
      rack.hosts.forEach((_, i) => {
        const y = top + l.head + (tallest - 1 - i) * (l.h + l.gap);
        const box = { x: left, y, w: l.w, h: l.h, rack, i };
        boxes.push(box);
        drawCell(ctx, box, rack, i, data, l.text);
      });
    });
  }

  const at = (event) => boxes.find((b) => event.offsetX >= b.x && event.offsetX < b.x + b.w && event.offsetY >= b.y && event.offsetY < b.y + b.h);
  canvas.onclick = (event) => { const box = at(event); if (box) setTriggerValue("host", box.rack.hosts[box.i]); };
  canvas.onmousemove = (event) => {
    const box = at(event);
    tip.style.display = box ? "block" : "none";
    if (!box) return;
    tip.textContent = describe(box.rack, box.i);
    tip.style.left = Math.min(event.offsetX + 14, canvas.clientWidth - 260) + "px";
    tip.style.top = event.offsetY + 14 + "px";
  };
  canvas.onmouseleave = () => { tip.style.display = "none"; };
  const observer = new ResizeObserver(draw);
  observer.observe(canvas.parentElement ?? canvas);
  draw();
  return () => observer.disconnect();
}
