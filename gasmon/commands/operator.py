"""Who gives commands at the server, for the audit."""

import getpass

from gasmon.store.audit import Actor


def operator() -> Actor:
    """The operator, with the name that the operating system knows him by."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        account = "unnamed"
    return Actor(via={"account": account})
