"""Small texts as the exporters write them, by hand: every trap once."""

from __future__ import annotations

_GPU = 'gpu="0",UUID="GPU-1",pci_bus_id="00000000:31:00.0",device="nvidia0",modelName="NVIDIA H100"'
DCGM = f"""\
# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{{{_GPU},Hostname="exporter-7f"}} 61
DCGM_FI_DEV_MEMORY_TEMP{{{_GPU},Hostname="exporter-7f"}} 0
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{_GPU},Hostname="exporter-7f"}} 9223372036854775794
DCGM_FI_DEV_XID_ERRORS{{{_GPU},Hostname="exporter-7f",err_code="79"}} 79
DCGM_FI_DEV_NVLINK_BANDWIDTH_L0{{{_GPU},Hostname="exporter-7f",nvlink="0"}} 12
"""

_AMD_LABELS = (
    'card_model="102-G30213-0C",gpu_compute_partition_type="spx",gpu_memory_partition_type="nps1",'
    'hostname="mi-host",serial_number="692432000123",pod="",namespace="",job_id=""'
)
_ONE = f'gpu_id="0",gpu_partition_id="0",{_AMD_LABELS}'
AMD = f"""\
# HELP gpu_energy_consumed Accumulated energy consumed by the GPU in uJ
# TYPE gpu_energy_consumed gauge
gpu_energy_consumed{{{_ONE}}} 1.4e+17
gpu_package_power{{{_ONE}}} 748
gpu_power_usage{{{_ONE}}} 65535
gpu_junction_temperature{{{_ONE}}} 76
gpu_edge_temperature{{{_ONE}}} 65535
gpu_memory_temperature{{{_ONE}}} 58
gpu_hbm_temperature{{hbm_index="0",{_ONE}}} 4294967295
gpu_gfx_activity{{{_ONE}}} 97
gpu_umc_activity{{{_ONE}}} 41
gpu_used_vram{{{_ONE}}} 65535
gpu_clock{{clock_index="0",clock_type="GPU_CLOCK_TYPE_SYSTEM",{_ONE}}} 2104
gpu_clock{{clock_index="1",clock_type="GPU_CLOCK_TYPE_SYSTEM",{_ONE}}} 1410
gpu_clock{{clock_index="2",clock_type="GPU_CLOCK_TYPE_SYSTEM",{_ONE}}} 65535
gpu_clock{{clock_index="8",clock_type="memory",{_ONE}}} 1300
gpu_clock{{clock_index="9",clock_type="video",{_ONE}}} 29
gpu_ecc_uncorrect_total{{{_ONE}}} 1
gpu_health{{{_ONE}}} 0
gpu_violation_socket_thermal_residency_percentage{{{_ONE}}} 12
gpu_violation_hbm_thermal_residency_percentage{{{_ONE}}} 30
gpu_violation_ppt_residency_percentage{{{_ONE}}} 4
gpu_xgmi_link_rx{{link_index="1",{_ONE}}} 2.776148269e+09
gpu_nodes_total{{hostname="mi-host"}} 8
"""

NODE = """\
node_cpu_seconds_total{cpu="0",mode="idle"} 1.2e+06
node_hwmon_chip_names{chip="0000:00:00_0_0000:01:00_0",chip_name="mlx5"} 1
node_hwmon_chip_names{chip="nvme_nvme0",chip_name="nvme"} 1
node_hwmon_chip_names{chip="platform_coretemp_0",chip_name="coretemp"} 1
node_hwmon_chip_names{chip="platform_coretemp_1",chip_name="coretemp"} 1
node_hwmon_chip_names{chip="thermal_thermal_zone0",chip_name="acpitz"} 1
node_hwmon_sensor_label{chip="0000:00:00_0_0000:01:00_0",label="asic",sensor="temp1"} 1
node_hwmon_sensor_label{chip="0000:00:00_0_0000:01:00_0",label="Module0",sensor="temp2"} 1
node_hwmon_sensor_label{chip="nvme_nvme0",label="Composite",sensor="temp1"} 1
node_hwmon_sensor_label{chip="nvme_nvme0",label="Sensor 1",sensor="temp2"} 1
node_hwmon_sensor_label{chip="platform_coretemp_0",label="Package id 0",sensor="temp1"} 1
node_hwmon_sensor_label{chip="platform_coretemp_0",label="Core 0",sensor="temp2"} 1
node_hwmon_sensor_label{chip="platform_coretemp_1",label="Package id 1",sensor="temp1"} 1
node_hwmon_temp_celsius{chip="0000:00:00_0_0000:01:00_0",sensor="temp1"} 58
node_hwmon_temp_celsius{chip="0000:00:00_0_0000:01:00_0",sensor="temp2"} 71
node_hwmon_temp_celsius{chip="nvme_nvme0",sensor="temp1"} 51.85
node_hwmon_temp_celsius{chip="nvme_nvme0",sensor="temp2"} 65261.85
node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp1"} 55
node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp2"} 66
node_hwmon_temp_celsius{chip="platform_coretemp_1",sensor="temp1"} 62
node_hwmon_temp_celsius{chip="thermal_thermal_zone0",sensor="temp0"} 54.8
node_hwmon_temp_crit_celsius{chip="nvme_nvme0",sensor="temp1"} 84.85
node_infiniband_info{board_id="MT_838",device="mlx5_0",firmware_version="28.45",hca_type="MT4129"} 1
node_infiniband_link_downed_total{device="mlx5_0",port="1"} 2
node_infiniband_link_downed_total{device="mlx5_1",port="2"} 255
node_infiniband_port_data_received_bytes_total{device="mlx5_0",port="1"} 2.2031403016e+10
node_infiniband_port_data_received_bytes_total{device="mlx5_1",port="2"} 1.717986918e+10
node_infiniband_port_data_transmitted_bytes_total{device="mlx5_1",port="2"} 1.8446744073709552e+19
node_infiniband_rate_bytes_per_second{device="mlx5_0",port="1"} 5e+10
node_infiniband_rate_bytes_per_second{device="mlx5_1",port="2"} 2.5e+10
node_infiniband_state_id{device="mlx5_0",port="1"} 4
node_infiniband_state_id{device="mlx5_1",port="2"} 1
node_infiniband_np_cnp_packets_sent_total{device="mlx5_0",port="1"} 17
node_uname_info{domainname="(none)",machine="x86_64",nodename="node001",release="6.8.0"} 1
"""

TRAINING = """\
fleetops_training_step_seconds{job="81",host="node001",rank="17"} 4.31
fleetops_training_step_total{job="81",host="node001",rank="17"} 1200
"""

OPENMETRICS = """\
# HELP exporter_build About the exporter.
# TYPE exporter_build info
exporter_build_info{version="4.2"} 1
# TYPE exporter_mode stateset
exporter_mode{exporter_mode="quick"} 1
exporter_mode{exporter_mode="slow"} 0
# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER counter
DCGM_FI_DEV_PCIE_REPLAY_COUNTER_total{gpu="0"} 7 1767268790.5 # {trace_id="a}b"} 0.5 1767268790.0
DCGM_FI_DEV_PCIE_REPLAY_COUNTER_created{gpu="0"} 1767260000.0
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{le="+Inf"} 3 # {trace_id="1"} 0.2
wait_seconds_count 3
wait_seconds_sum 0.4
# EOF
"""
