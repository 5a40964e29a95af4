from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from fleetops_collectors.prometheus import decode_prometheus
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import TOPS, DecoderFuzz
from tests.unit.collectors import exporter_texts as texts

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GPU = 'gpu="0",UUID="GPU-1",device="nvidia0",modelName="NVIDIA H100",Hostname="node001"'
DCGM = f"""# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{{{GPU}}} 61
DCGM_FI_DEV_POWER_USAGE{{{GPU}}} 512.25
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{GPU}}} 9223372036854775794
DCGM_FI_DEV_XID_ERRORS{{{GPU},err_code="79"}} 79
DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{{{GPU}}} 0.61 1795219200000
"""
RANK = 'job="81",host="node001",rank="17"'
TRAINING = f"""fleetops_training_rank{{{RANK}}} 17
fleetops_training_pipeline_stage{{{RANK}}} 3
fleetops_training_step_seconds{{{RANK}}} 4.31
fleetops_training_step_total{{{RANK}}} 1200
"""


class TestFuzzPrometheus(DecoderFuzz):
    @override
    def seeds(self) -> Sequence[bytes]:
        return [
            DCGM.encode(),
            (DCGM + "# EOF\n").encode(),
            (texts.DCGM + texts.OPENMETRICS).encode(),
        ]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        return decode_prometheus(payload, host=None, now=NOW).readings


class TestFuzzOtherExporters(TestFuzzPrometheus):
    sentinels = TOPS

    @override
    def seeds(self) -> Sequence[bytes]:
        everything = texts.DCGM + texts.AMD + texts.NODE + TRAINING + texts.OPENMETRICS
        return [text.encode() for text in (TRAINING, texts.AMD, texts.NODE, everything)]
