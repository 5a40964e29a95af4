"""SONiC switches: COUNTERS_DB, STATE_DB and APPL_DB, live from Redis or from a dump."""

from fleetops_collectors.sonic.collector import SonicCollector, SonicConfig
from fleetops_collectors.sonic.decode import decode_sonic
from fleetops_collectors.sonic.tables import Tables, tables_of

__all__ = ["SonicCollector", "SonicConfig", "Tables", "decode_sonic", "tables_of"]
