# iptables' extensions, one rule each.
add() { iptables-nft -A INPUT "$@"; }
add -p tcp -m multiport --dports 22,80,443,8000:8010 -j ACCEPT
add -p tcp -m multiport ! --sports 1,2 -j ACCEPT
add -p udp -m multiport --ports 53,123 -j ACCEPT
add -p tcp --sport 1024:65535 ! --dport 25 -j ACCEPT
add -p tcp --tcp-flags SYN,ACK,FIN,RST SYN -j ACCEPT
add -p tcp ! --syn -m state --state NEW -j DROP
add -m conntrack --ctstate ESTABLISHED,DNAT -j ACCEPT
add -m conntrack ! --ctstate INVALID,UNTRACKED -j ACCEPT
add -m conntrack --ctorigdst 192.0.2.0/24 --ctorigdstport 80:90 --ctdir ORIGINAL -j ACCEPT
add -m conntrack --ctstatus CONFIRMED -j ACCEPT
add -m mark --mark 0x10/0xff -j DROP
add -m mark ! --mark 0x1 -j DROP
add -m iprange --src-range 10.0.0.5-10.0.0.9 ! --dst-range 10.1.0.0-10.1.0.1 -j ACCEPT
add -m pkttype --pkt-type broadcast -j DROP
add -p icmp -m icmp --icmp-type echo-request -j ACCEPT
add -p icmp -m icmp --icmp-type 3/4 -j ACCEPT
add -p icmp -m icmp ! --icmp-type 3/4 -j ACCEPT
add -m limit --limit 3/minute --limit-burst 10 -j LOG --log-prefix "[BLOCK] "
add -m addrtype ! --dst-type LOCAL,BROADCAST -j DROP
add -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT
add -m addrtype --src-type LOCAL -j ACCEPT
add -m recent --name knock --rcheck --seconds 30 -j ACCEPT
add -m statistic --mode random --probability 0.5 -j DROP
add -s 10.0.0.0/255.0.255.0 -j ACCEPT
add -i eth+ -d 192.0.2.0/25 -f -j DROP
add ! -i eth0 ! -s 10.0.0.1 ! -p udp -j DROP
add -m comment --comment "a comment" -g INPUT2 2>/dev/null || { iptables-nft -N INPUT2; add -m comment --comment "a comment" -g INPUT2; }
add -p tcp -j REJECT --reject-with tcp-reset
add -j NFLOG --nflog-group 5
add -j NFQUEUE --queue-num 1
iptables-nft -t mangle -A PREROUTING -s 10.0.0.0/8 -j MARK --set-xmark 0x1/0xff
iptables-nft -t mangle -A PREROUTING -j MARK --set-mark 7
iptables-nft -t mangle -A PREROUTING -j CONNMARK --restore-mark
iptables-nft -t mangle -A PREROUTING -j TTL --ttl-set 64
iptables-nft -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
iptables-nft -t raw -A PREROUTING -p udp --dport 53 -j CT --notrack
iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 3128
iptables-nft -t nat -A PREROUTING -p tcp --dport 81 -j DNAT --to-destination 10.0.0.1-10.0.0.9:8000-8010
iptables-nft -t nat -A POSTROUTING -j SNAT --to-source 192.0.2.1
ip6tables-nft -A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type echo-request -j ACCEPT
ip6tables-nft -A INPUT -s 2001:db8::/35 -m rt --rt-type 0 -j DROP
ip6tables-nft -A INPUT -m frag --fraglast -j DROP
ip6tables-nft -A INPUT -m hl --hl-eq 255 -j ACCEPT
ip6tables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination [fd00::2]:8080
iptables-nft -t mangle -A PREROUTING -j CONNMARK --save-mark
iptables-nft -t mangle -A PREROUTING -p tcp -j HMARK --hmark-tuple src,dst --hmark-mod 10 --hmark-rnd 1
