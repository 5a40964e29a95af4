from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from fleetops_collectors.slurm import decode_payload
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import TOPS, DecoderFuzz

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NEW = b"""{"nodes": [{"name": "n1", "state": ["MIXED", "DRAIN"], "reason": "fan", "cpu_load": 212,
"reason_changed_at": {"set": true, "infinite": false, "number": 1795258497},
"free_mem": {"set": true, "infinite": false, "number": 12276}, "real_memory": 2000000,
"energy": {"current_watts": {"set": true, "infinite": false, "number": 512},
"consumed_energy": 1000000, "last_collected": 1795262390}, "gres": "gpu:h100:8",
"gres_used": "gpu:h100:3(IDX:0-2)", "boot_time": {"set": true, "number": 1795258497},
"partitions": ["train"], "instance_id": "i-0a"}],
"jobs": [{"job_id": 7, "job_state": ["RUNNING"], "nodes": "n[1-2]", "tasks": {"set": true,
"infinite": false, "number": 4}, "tasks_per_node": {"set": true, "number": 2},
"gres_detail": ["gpu:3(IDX:0-2)", "gpu:3(IDX:0-2)"], "tres_per_node": "gres/gpu:3",
"start_time": {"set": true, "number": 1795258497}, "user_name": "ann", "name": "train"}]}"""
OLD = b"""{"nodes": [{"name": "n1", "state": "mixed", "state_flags": ["DRAIN"], "cpu_load": 1,
"free_memory": 337330, "real_memory": 500000, "boot_time": 1671873827, "reason": null}]}"""
GROUPS = b"""{"sinfo": [{"nodes": {"nodes": ["n0"]}, "node": {"state": ["IDLE"]},
"cpus": {"load": {"minimum": 100, "maximum": 100}}, "partition": {"name": "train"},
"memory": {"minimum": 1000, "maximum": 1000}, "gres": {"total": "gpu:8", "used": "gpu:0"}}]}"""
TABLE = b"""NODELIST|STATE|REASON|PARTITION|CPU_LOAD|FREE_MEM|MEMORY|GRES|GRES_USED
n1|mix|none|train*|2.12|1000|2000|gpu:h100:8|gpu:h100:3(IDX:0-2)
n2|drain*|two
lines|train*|0.5|100|2000|gpu:h100:8|gpu:h100:0(IDX:N/A)
"""
SHOWN = b"""NodeName=n1 CPULoad=2.12 Gres=gpu:h100:8 GresUsed=gpu:h100:3(IDX:0-2)
   RealMemory=1000 FreeMem=100 State=IDLE+DRAIN Reason=fan [root@2026-11-21T10:00:00]
JobId=7 UserId=ann(1000) JobState=RUNNING NodeList=n[1-2] NumTasks=4 NtasksPerN:B:S:C=2:0:*:*
"""


class TestFuzzSlurm(DecoderFuzz):
    sentinels = TOPS.union([0xFFFFFFFE, 0xFFFFFFFFFFFFFFFE])  # slurm.h: NO_VAL and NO_VAL64

    @override
    def seeds(self) -> Sequence[bytes]:
        return [NEW, OLD, GROUPS, TABLE, SHOWN]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        return decode_payload(payload, NOW).readings
