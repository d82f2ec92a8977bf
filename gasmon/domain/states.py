"""Point state bits of the national upload format (MT/T 1201.1-2023 practice).

Seen alike in several working public programs. The value is a mask, not a number:
5 means calibration *and* alarm. Programs that read it as an enumeration show such a
point as normal, so any bit we do not know counts as an alarm downstream.
"""

NORMAL = 0
ALARM = 1
CUT_OFF = 2
CALIBRATION = 4
OVER_RANGE = 8
SUBSTATION_FAULT = 16
NOT_POLLED = 32
PAUSED = 64
SENSOR_FAULT = 128

KNOWN = 255
"""Every bit that has a meaning."""

NO_VALUE = SUBSTATION_FAULT | NOT_POLLED | PAUSED | SENSOR_FAULT
"""With one of these set the number beside it says nothing about the gas."""

WORDS_ZH = {
    ALARM: "报警",
    CUT_OFF: "断电",
    CALIBRATION: "标校",
    OVER_RANGE: "超量程",
    SUBSTATION_FAULT: "分站故障",
    NOT_POLLED: "不巡检",
    PAUSED: "暂停",
    SENSOR_FAULT: "传感器故障",
}
WORDS_EN = {
    ALARM: "alarm",
    CUT_OFF: "cut-off",
    CALIBRATION: "calibration",
    OVER_RANGE: "over range",
    SUBSTATION_FAULT: "substation fault",
    NOT_POLLED: "not polled",
    PAUSED: "paused",
    SENSOR_FAULT: "sensor fault",
}
