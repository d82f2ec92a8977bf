"""Upload files: the text files that mines already write, read and written. Pure.

```
bytes ─▶ cut ─▶ parse  ─▶ UploadFile ─▶ convert ─▶ Definition, items, newest events
          │      ▲ rows, cells             ▲
          └───▶ fast  ─▶ ReadingFile ──────┘            records ─▶ write ─▶ bytes
```

* `records`: the six types (CDDY, CDSS, YCBJ, TJSJ, FZDY, FZSS) as dataclasses.
* `profile`: how one mine writes; `detect.propose` finds it in samples; `profiles`: of
  all mines, as the site's file has them.
* `names`: file names.
* `cut`: header and records; `cells`: single fields; `rows`: one record of each type;
  `parse`: record by record; `fast`: CDSS a column at a time, the same result.
* `write`: the way back, for simulated mines and tests.
* `convert`: to what the rest of gasmon speaks; `evidence`: events and statistics.
* `receive`: file after file, as they arrive: which frame each is, and in what order.

Each record becomes a value or a `Refusal` that names file, record, field and reason.
"""
