"""What each option of ``gasmon-sim`` is, in both languages, for its help.

One table, so that an option of several commands is called the same in all of them;
``explain`` writes it into the parsers. What one command means by it stands under its
name.
"""

import argparse

EXIT_CODES = (
    "退出码 exit codes: 0 正常 ok · 1 失败或中断 failed or broken off · 2 用法 usage · "
    "3 消息服务器或平台不可达 broker or platform out of reach · "
    "4 未达到预期 a scenario or drill went otherwise"
)

OF_ALL = {
    "--mines": "煤矿数 so many mines",
    "--seed": "随机种子：计划、编码、物理过程都由它决定 plan, codes and physics follow",
    "--county": "县区代号或六位代码 slug or six-digit code",
    "--host": "消息服务器地址 the broker's address",
    "--port": "消息服务器端口 the broker's port",
    "--username": "用户名 login name at the broker",
    "--password-file": "口令文件 file with the password",
    "--tls-ca": "信任的证书机构文件，启用 TLS file of the authority to trust: TLS",
    "--json": "标准输出为一个 JSON 对象 one JSON object on stdout",
    "--quiet": "不显示进度 no progress on stderr",
    "--cycle": "每矿两帧之间的模拟秒数 simulated seconds between two frames of a mine",
    "--duration": "运行秒数 real seconds to run",
    "--speed": "每秒模拟的秒数 simulated seconds per real second",
    "--url": "gasmon 网页地址 of gasmon's page",
    "--out": "输出文件或目录 where to write",
    "--run": "演练编号，0 为实况 number of a drill, 0 is live",
    "--connections": "共用的连接数 how many connections the mines share",
    "scenario": "场景名或 .toml 文件 a name, or a .toml file",
}
"""Help of an option, or of a positional argument by its name, in every command."""

OF_COMMANDS: dict[str, dict[str, str]] = {
    "city": {
        "--county": "只运行这些县区，可重复 only these counties (repeatable)",
        "--duration": "运行秒数，不给则直到停止 real seconds, else until stopped",
        "--activity": "异常频度 how often something happens by itself",
        "--connections": "每矿一个连接或共用 one connection per mine, or shared",
        "--ring": "每个网关保留的帧数 frames that each gateway keeps",
    },
    "files": {
        "--county": "只运行这些县区，可重复 only these counties (repeatable)",
        "--duration": "运行秒数，不给则直到停止 real seconds, else until stopped",
        "--encoding": "文件编码 of the files' text",
    },
    "mines": {
        "--county": "只列这些县区，可重复 only these counties (repeatable)",
    },
    "speed": {
        "--county": "只测这些县区，可重复 only these counties (repeatable)",
        "--points": "重复煤矿直到这么多测点 repeat the mines to so many points",
        "--cycles": "取多少周期的中位数 medians of so many cycles",
    },
    "load": {
        "--points": "每矿测点数 points of each mine",
        "--cycle": "每矿两帧之间的秒数 seconds between two frames of a mine",
        "--alarm-every": "每隔多少帧报警一次，0 为不报 each n-th frame alarms, 0 none",
    },
    "run": {
        "scenarios": "场景名或 .toml 文件 names, or .toml files",
        "--seed": "换成此种子的煤矿 the same in the mines of another seed",
        "--speed": "覆盖文件中的倍速 in place of the file's own speed",
        "--token-file": "能看全市者的令牌文件 token of who sees the whole city",
        "--dispatcher-token-file": "煤矿调度员的令牌文件，用于报备 token of a mine's "
        "dispatcher, who files planned work",
    },
    "drill": {
        "--county": "演练所在县区 where it is held: slug or code",
        "--participants": "参演人员，不给则所有人 people who take part; everybody",
        "--platforms": "必须收到报警的平台 platforms that must be told",
        "--lead": "宣布到开始的秒数 seconds from the declaration to the begin",
        "--on-real-alarm": "遇真实报警时 what a real alarm in the county does",
        "--seed": "决定煤矿与注入时刻 which mines, and when injects are given",
        "--token-file": "可操作的培训员令牌文件 token of a trainer who may act",
        "--out": "记录与报告目录 folder of records and reports",
    },
    "score": {
        "record": "演练记录文件 the record that a drill has written",
        "--out": "报告目录 folder of reports",
    },
    "compare": {
        "--series": "实测序列 CSV，含 t_s 列 measured series, a CSV with t_s",
        "--column": "甲烷列 the column of methane [%% CH4]",
        "--cutting": "割煤列，大于 0 为割煤 its column is above 0 while coal is won",
        "--hold": "传感器多少秒读一次 the sensor is read only so often [s]",
        "--unevenness": "瓦斯涌出不均匀倍数 how much more unevenly gas comes",
        "--plot": "画图文件 draw all of them into this file",
    },
    "record": {
        "--out": "录制文件，须为新文件 a new file",
        "--duration": "录制秒数 seconds to listen",
    },
    "replay": {
        "tape": "录制文件 a file that record has written",
        "--speed": "倍速 so many times as fast",
    },
}
"""The same where a command means something of its own."""


def explain(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Write both tables into the commands' parsers, and what a command returns."""
    words = {one.dest: one.help for one in commands._choices_actions}
    for name, command in commands.choices.items():
        command.description = words[name]
        command.epilog = EXIT_CODES
        own = OF_COMMANDS.get(name, {})
        for action in command._actions:
            key = action.option_strings[0] if action.option_strings else action.dest
            action.help = own.get(key) or action.help or OF_ALL.get(key)
