"""Settings of what comes from disks and what stays on them."""

from pathlib import Path

from pydantic import Field

from gasmon.settings_access import Section


class FileSettings(Section):
    """Upload files of mines that write text files."""

    drop_dir: Path | None = Field(
        None,
        description="folder that FTP or SFTP fills, watched by ingest; it and one "
        "level of folders in it",
    )
    profiles_file: Path | None = Field(
        None, description="how mines write (TOML); none means as the national format"
    )
    poll_s: float = Field(
        1.0, gt=0, le=60, description="how often the drop folder is looked at [s]"
    )
    settle_s: float = Field(
        5.0,
        ge=0,
        description="a file that cannot say whether it is whole is taken when it did "
        "not change for this [s]",
    )
    incomplete_after_s: float = Field(
        120.0,
        gt=0,
        description="a file without its end mark that did not change for this is used "
        "as far as it goes and moved to error [s]",
    )
    keep_days: int = Field(
        30, ge=1, description="how long backup, error and unknown are kept [d]"
    )


class StorageSettings(Section):
    """How long things are kept."""

    reading_retention_days: int = Field(90, ge=1, description="raw readings [d]")
    hour_retention_days: int = Field(
        400,
        ge=1,
        description="hours of points, gathered from readings for long curves [d]",
    )
    reject_retention_days: int = Field(30, ge=1, description="refused input [d]")
    outbox_retention_days: int = Field(
        30, ge=1, description="how far back a platform can resume [d]"
    )
    partition_days_ahead: int = Field(
        3, ge=1, le=30, description="day partitions made beforehand [d]"
    )
    max_database_mb: int = Field(
        0,
        ge=0,
        description="oldest readings go when the database is larger [MB]; 0 = no cap",
    )
