"""iptables as data: rules parsed on demand, three-valued matches, targets.

Source: Linux ``net/netfilter/xt_*.c``, ``net/ipv4/netfilter/ip_tables.c``; iptables ``extensions/``.
"""
