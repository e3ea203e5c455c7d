"""Every error this package raises on purpose, in one tree.

InvrError
├── InputError             something a person wrote or brought is not usable
│   ├── ManifestError      a codec.toml
│   ├── ConditionsError    a file under ctc/, or --config only=/label=/…
│   ├── SequenceError      a sequence entry, or the file behind it
│   │   └── SourceMissing  the entry is fine, the file is not on this machine
│   └── RecordError        a record or table under results/ or reports/
├── ContractError          the codec did not do what design and manifest promise
│   └── LimitError         it was stopped at a limit of time, memory or output
├── UnsupportedError       a sound request that this codec or metric does not serve
├── ToolError              a program or library this step needs is absent or failed
├── CompareError           two curves or tables that cannot be compared
└── BusyError              another run holds the results tree

A message says what, where, what was expected and what to do.
"""


class InvrError(Exception):
    """Base of every error raised on purpose; the CLI prints its message and no traceback."""


class InputError(InvrError):
    """Something a person wrote or brought is not usable."""


class ManifestError(InputError):
    """A codec.toml that cannot be used."""


class ConditionsError(InputError):
    """Test conditions or a selection that cannot be used."""


class SequenceError(InputError):
    """A sequence entry, or the file behind it, that cannot be used."""


class SourceMissing(SequenceError):  # noqa: N818 - a state of the machine, not a mistake
    """The sequence entry is sound; its file is not on this machine."""


class RecordError(InputError):
    """A record or table that cannot be used."""


class ContractError(InvrError):
    """A codec broke the contract: exit status, missing, partial or oversized output."""


class LimitError(ContractError):
    """A codec was stopped at its limit of time, memory or output."""


class UnsupportedError(InvrError):
    """A sound request that this codec or metric does not serve."""


class ToolError(InvrError):
    """A program or library that this step needs is absent or failed."""


class CompareError(InvrError):
    """Two curves or tables that cannot be compared."""


class BusyError(InvrError):
    """Another run holds the results tree."""
