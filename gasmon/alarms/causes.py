"""Cause codes: why there was an alarm, in words that statistics can count.

The list is ours, built from the causes that county platforms' handling records name.
"""

CAUSES = {
    "gas_accumulation": ("瓦斯积聚", "gas accumulated"),
    "gas_emission": ("瓦斯异常涌出", "abnormal gas emission"),
    "blasting": ("放炮作业", "blasting"),
    "cutting": ("割煤落煤", "coal cutting"),
    "ventilation": ("通风系统调整", "ventilation was adjusted"),
    "fan_stopped": ("风机停运", "a fan stopped"),
    "air_duct": ("风筒破损或脱节", "air duct damaged or open"),
    "power_failure": ("停电", "power failure"),
    "sensor_fault": ("传感器故障", "sensor fault"),
    "calibration": ("传感器标校", "sensor calibration"),
    "interference": ("干扰误报", "electrical interference"),
    "communication": ("通信故障", "communication fault"),
    "maintenance": ("检修作业", "maintenance work"),
    "sealing": ("密闭或启封", "sealing or unsealing"),
    "false_data": ("伪数据", "false data"),
    "other": ("其他", "other"),
}
"""Code → (Chinese, English)."""
