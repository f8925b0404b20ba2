"""nftables as data: a ruleset in text or JSON becomes one syntax tree; expressions are three-valued.

Source: nftables ``src/parser_bison.y``, ``doc/libnftables-json.adoc``; Linux ``net/netfilter/nft_*.c``.
"""
