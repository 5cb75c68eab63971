import TestSupport

/// Messages as Linux 6.18 sent them.
enum Fixtures {
    /// A client, 127.0.0.1:52926 to :34761, that sent 1000 bytes, received 77 and closed first; the
    /// server's FIN came before the socket was swapped for a time-wait remnant.
    static let tcpClientClosed = hex(
        """
        7c010000 14000000 00000000 00000000  // nlmsghdr: SOCK_DIAG_BY_FAMILY
        02 07 00 00  // inet_diag_msg: family, state, timer, retransmits
        cebe 87c9  // ports
        7f000001 00000000 00000000 00000000  // source
        7f000001 00000000 00000000 00000000  // destination
        00000000 16000000 00000000  // interface, cookie
        00000000 01000000 00000000 00000000 00000000  // timer, receive queue, send queue, uid, inode
        0500 0a00 06000000  // INET_DIAG_PROTOCOL
        1c01 0200  // INET_DIAG_INFO: tcp_info
        07 00 00 00 00 07 aa 00  // state and others
        e01c0300 409c0000 008a0000 18020000 00000000 00000000 00000000 00000000 00000000  // 24 numbers
        00000000 00000000 00000000
        00000000 ffff0000 d7ff0000 1a000000 0e000000 ffffff7f 0c000000 cbff0000 03000000
        00000000 d7ff0000 00000000
        0efb130707000000 ffffffffffffffff  // pacing rates
        ea03000000000000 4e00000000000000  // bytes acknowledged, bytes received
        06000000 04000000 00000000 09000000 01000000 01000000  // segments; data segments in, out
        00689b8300000000 0000000000000000 0000000000000000 0000000000000000 0300000000000000  // rates, times
        e803000000000000 0000000000000000  // bytes sent, bytes sent again
        00000000 00000000 00000000 00140100 00000100 00000000 00000000 00000000 00000000  // newer fields
        00000000 00000000 00000000 00000000 00000000 00000000 00000000
        """)

    /// A server, [::1]:42555, that received 1000 bytes and a FIN from port 41994, and sent 77.
    static let tcpServerClosed = hex(
        """
        7c010000 14000000 00000000 00000000  // nlmsghdr: SOCK_DIAG_BY_FAMILY
        0a 07 00 00  // inet_diag_msg: family, state, timer, retransmits
        a63b a40a  // ports
        00000000 00000000 00000000 00000001  // source
        00000000 00000000 00000000 00000001  // destination
        00000000 14000000 00000000  // interface, cookie
        00000000 00000000 00000000 00000000 00000000  // timer, receive queue, send queue, uid, inode
        0500 0a00 06000000  // INET_DIAG_PROTOCOL
        1c01 0200  // INET_DIAG_INFO: tcp_info
        07 00 00 00 00 07 aa 00  // state and others
        e01c0300 409c0000 00800000 e8030000 00000000 00000000 00000000 00000000 00000000  // 24 numbers
        00000000 00000000 00000000
        00000000 00000100 1d120100 3c000000 26000000 ffffff7f 0c000000 b8ff0000 03000000
        00000000 b8ff0000 00000000
        a323595c04000000 ffffffffffffffff  // pacing rates
        4e00000000000000 e903000000000000  // bytes acknowledged, bytes received
        03000000 06000000 00000000 05000000 01000000 01000000  // segments; data segments in, out
        d145c75800000000 0000000000000000 0000000000000000 0000000000000000 0300000000000000  // rates, times
        4d00000000000000 0000000000000000  // bytes sent, bytes sent again
        00000000 00000000 00000000 00000100 00140100 00000000 00000000 00000000 00000000  // newer fields
        00000000 00000000 00000000 00000000 00000000 00000000 00000000
        """)

    /// A UDP socket, 127.0.0.1:36106, connected to port 35065.
    static let udpClosed = hex(
        """
        60000000 14000000 00000000 00000000  // nlmsghdr: SOCK_DIAG_BY_FAMILY
        02 01 00 00  // inet_diag_msg: family, state, timer, retransmits
        8d0a 88f9  // ports
        7f000001 00000000 00000000 00000000  // source
        7f000001 00000000 00000000 00000000  // destination
        00000000 19000000 00000000  // interface, cookie
        00000000 00000000 ffffffff 00000000 00000000  // timer, receive queue, send queue, uid, inode
        0500 0a00 11000000  // INET_DIAG_PROTOCOL
        """)

    /// Of a dump: a server's end that received 5 bytes.
    static let tcpEstablished = hex(
        """
        98010000 14000200 01000000 fe480000  // nlmsghdr: SOCK_DIAG_BY_FAMILY
        02 01 00 00  // inet_diag_msg: family, state, timer, retransmits
        ddfb e4ca  // ports
        7f000001 00000000 00000000 00000000  // source
        7f000001 00000000 00000000 00000000  // destination
        00000000 2a000000 00000000  // interface, cookie
        00000000 00000000 00000000 00000000 02900100  // timer, receive queue, send queue, uid, inode
        0500 0800 00000000  // INET_DIAG_SHUTDOWN
        0800 0f00 00000000  // INET_DIAG_MARK
        0c00 1500 0100000000000000  // INET_DIAG_CGROUP_ID
        0600 1600 52000000  // INET_DIAG_SOCKOPT
        1c01 0200  // INET_DIAG_INFO: tcp_info
        01 00 00 00 00 07 aa 01  // state and others
        400d0300 409c0000 00800000 18020000 00000000 00000000 00000000 00000000 00000000  // 24 numbers
        00000000 00000000 00000000
        00000000 ffff0000 cbff0000 16000000 0b000000 ffffff7f 0a000000 cbff0000 03000000
        00000000 cbff0000 00000000
        0db227e909000000 ffffffffffffffff  // pacing rates
        0000000000000000 0500000000000000  // bytes acknowledged, bytes received
        01000000 03000000 00000000 16000000 01000000 00000000  // segments; data segments in, out
        0000000000000000 0000000000000000 0000000000000000 0000000000000000 0100000000000000  // rates, times
        0000000000000000 0000000000000000  // bytes sent, bytes sent again
        00000000 00000000 00000000 00000100 00000100 00000000 00000000 00000000 00000000  // newer fields
        00000000 00000000 00000000 00000000 00000000 00000000 00000000
        """)

    /// Of a dump: a socket that listens at [::1]:52767.
    static let tcpListening = hex(
        """
        a0010000 14000200 01000000 fe480000  // nlmsghdr: SOCK_DIAG_BY_FAMILY
        0a 0a 00 00  // inet_diag_msg: family, state, timer, retransmits
        ce1f 0000  // ports
        00000000 00000000 00000000 00000001  // source
        00000000 00000000 00000000 00000000  // destination
        00000000 2b000000 00000000  // interface, cookie
        00000000 00000000 80000000 00000000 03900100  // timer, receive queue, send queue, uid, inode
        0500 0800 00000000  // INET_DIAG_SHUTDOWN
        0500 0b00 01000000  // INET_DIAG_SKV6ONLY
        0800 0f00 00000000  // INET_DIAG_MARK
        0c00 1500 0100000000000000  // INET_DIAG_CGROUP_ID
        0600 1600 12000000  // INET_DIAG_SOCKOPT
        1c01 0200  // INET_DIAG_INFO: tcp_info
        0a 00 00 00 00 00 00 00  // state and others
        00000000 00000000 00000000 00000000 00000000 80000000 00000000 00000000 00000000  // 24 numbers
        00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
        0a000000 00000000 03000000 00000000 00000000 00000000
        ffffffffffffffff ffffffffffffffff  // pacing rates
        0000000000000000 0000000000000000  // bytes acknowledged, bytes received
        00000000 00000000 00000000 00000000 00000000 00000000  // segments; data segments in, out
        0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000  // rates, times
        0000000000000000 0000000000000000  // bytes sent, bytes sent again
        00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000  // newer fields
        00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
        """)

    /// Of a dump: one end of a pair.
    static let unixPair = hex(
        """
        38000000 14000200 01000000 fe480000  // nlmsghdr: SOCK_DIAG_BY_FAMILY
        01 01 01 00  // unix_diag_msg: family, type, state, padding
        b1050000 2d000000 00000000  // inode, cookie
        0800 0200 b2050000  // UNIX_DIAG_PEER
        0500 0600 00000000  // UNIX_DIAG_SHUTDOWN
        0800 0700 e8030000  // UNIX_DIAG_UID
        """)

    /// Of a dump: a socket that listens at /run/u.
    static let unixListening = hex(
        """
        48000000 14000200 01000000 fe480000  // nlmsghdr: SOCK_DIAG_BY_FAMILY
        01 01 0a 00  // unix_diag_msg: family, type, state, padding
        06900100 2e000000 00000000  // inode, cookie
        0b00 0000 2f72756e2f750000  // UNIX_DIAG_NAME, the NUL counted
        0c00 0100 9580f700 0000e00f  // UNIX_DIAG_VFS
        0500 0600 00000000  // UNIX_DIAG_SHUTDOWN
        0800 0700 00000000  // UNIX_DIAG_UID
        """)

    /// Of a dump: a datagram socket with an abstract name.
    static let unixAbstract = hex(
        """
        40000000 14000200 01000000 fe480000  // nlmsghdr: SOCK_DIAG_BY_FAMILY
        01 02 07 00  // unix_diag_msg: family, type, state, padding
        07900100 31000000 00000000  // inode, cookie
        0d00 0000 006162737472616374 000000  // UNIX_DIAG_NAME
        0500 0600 00000000  // UNIX_DIAG_SHUTDOWN
        0800 0700 00000000  // UNIX_DIAG_UID
        """)

    /// A dump's end.
    static let done = hex(
        """
        14000000 03000200 01000000 fe480000  // nlmsghdr: NLMSG_DONE
        00000000  // error
        """)

    /// The same after a dump that could not be made: no such protocol.
    static let doneRefused = hex(
        """
        14000000 03000200 01000000 fe480000  // nlmsghdr: NLMSG_DONE
        feffffff  // error
        """)

    /// A refusal that gives back the request's header alone, with a sentence.
    static let refusedCapped = hex(
        """
        3c000000 02000003 01000000 fe480000  // nlmsghdr: NLMSG_ERROR, NLM_F_CAPPED and NLM_F_ACK_TLVS
        eaffffff  // nlmsgerr: error
        11000000 14000103 01000000 00000000  // nlmsgerr: the request's nlmsghdr
        0600 0200 0400 0000  // NLMSGERR_ATTR_OFFS
        0f00 0100 6e6f20736f636b65747300 00  // NLMSGERR_ATTR_MSG
        """)

    /// A refusal that gives back the whole request, padded, with a sentence.
    static let refusedWhole = hex(
        """
        38000000 02000002 01000000 fe480000  // nlmsghdr: NLMSG_ERROR, NLM_F_ACK_TLVS
        eaffffff  // nlmsgerr: error
        11000000 14000103 01000000 00000000  // nlmsgerr: the request's nlmsghdr
        02 000000  // the request's payload
        0f00 0100 6e6f20736f636b65747300 00  // NLMSGERR_ATTR_MSG
        """)
}
