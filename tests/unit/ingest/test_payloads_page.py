"""The page of payloads is complete: reasons, channels, schemas, settings."""

from __future__ import annotations

import re
from pathlib import Path

from gasmon import ingest
from gasmon.ingest.payloads import ABNORMAL_KINDS, SCHEMAS
from gasmon.settings import IngestSettings, MqttSettings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "payloads.md").read_text("utf-8")
REASON = re.compile(
    r'(?:PayloadError\(\s*|"(?:reading|packet)",\s*|reason = |else )"([a-z_0-9]+)"'
)

NO_REASONS = {
    *("5", "frame", "true", "false", "null", "face", "other"),
    *("backup", "reading"),
}
"""Words of other choices in the same files, which the pattern finds too."""


def test_every_reason_stands_on_the_page() -> None:
    """Each reason code that the room can give, found in its source."""
    folder = Path(ingest.__file__).parent
    source = "\n".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    reasons = set(REASON.findall(source)) - NO_REASONS
    assert {"not_json", "contradiction", "value_type", "bad_topic"} <= reasons
    missing = [name for name in sorted(reasons) if f"`{name}`" not in PAGE]
    assert missing == [], missing


def test_schemas_codes_and_settings_stand_on_the_page() -> None:
    """Every schema file, every abnormal kind; no setting that does not exist."""
    assert [name for name in SCHEMAS if f"`{name}.json`" not in PAGE] == []
    assert [code for code in ABNORMAL_KINDS if code not in PAGE] == []
    for section, settings in (("mqtt", MqttSettings), ("ingest", IngestSettings)):
        for name in re.findall(rf"`{section}\.([a-z_]+)", PAGE):
            assert name in settings.model_fields, name
