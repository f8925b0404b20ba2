"""Everything that reads: live commands and netlink, bundles, parsers of command output."""
