import TestSupport

/// Datagrams as Linux 6.18 sent them.
enum Fixtures {
    /// Process 4192 has forked 4238.
    static let fork = hex(
        """
        4c000000 0300 0000 582f0000 00000000  // nlmsghdr: NLMSG_DONE
        01000000 01000000 582f0000 00000000 2800 0000  // cn_msg: CN_IDX_PROC, CN_VAL_PROC, seq, ack, len 40
        01000000 01000000 3b8910867a030000  // proc_event: PROC_EVENT_FORK, cpu 1, time
        60100000 60100000 8e100000 8e100000  // parent pid and tgid, child pid and tgid
        00000000 00000000  // the rest of the union
        """)

    /// It has replaced its image.
    static let exec = hex(
        """
        4c000000 0300 0000 592f0000 00000000  // nlmsghdr: NLMSG_DONE
        01000000 01000000 592f0000 00000000 2800 0000  // cn_msg
        02000000 01000000 05d826867a030000  // proc_event: PROC_EVENT_EXEC, cpu 1, time
        8e100000 8e100000  // process pid and tgid
        00000000 00000000 00000000 00000000  // the rest of the union
        """)

    /// It has ended.
    static let exit = hex(
        """
        4c000000 0300 0000 5a2f0000 00000000  // nlmsghdr: NLMSG_DONE
        01000000 01000000 5a2f0000 00000000 2800 0000  // cn_msg
        00000080 01000000 f63930867a030000  // proc_event: PROC_EVENT_EXIT, cpu 1, time
        8e100000 8e100000 00000000 11000000  // process pid and tgid, code, signal
        60100000 60100000  // parent pid and tgid
        """)

    /// Process 4192 has a new thread, 4239. The "parent" is the process's parent.
    static let threadFork = hex(
        """
        4c000000 0300 0000 5b2f0000 00000000  // nlmsghdr: NLMSG_DONE
        01000000 01000000 5b2f0000 00000000 2800 0000  // cn_msg
        01000000 01000000 663529927a030000  // proc_event: PROC_EVENT_FORK, cpu 1, time
        4f100000 4f100000 8f100000 60100000  // parent pid and tgid, child pid and tgid
        00000000 00000000  // the rest of the union
        """)

    /// The thread has ended.
    static let threadExit = hex(
        """
        4c000000 0300 0000 5c2f0000 00000000  // nlmsghdr: NLMSG_DONE
        01000000 01000000 5c2f0000 00000000 2800 0000  // cn_msg
        00000080 01000000 25542e927a030000  // proc_event: PROC_EVENT_EXIT, cpu 1, time
        8f100000 60100000 00000000 ffffffff  // process pid and tgid, code, signal
        00000000 00000000  // parent pid and tgid
        """)

    /// The answer to a registration. Written after the kernel's cn_proc_ack: this listener got none.
    static let acknowledgement = hex(
        """
        4c000000 0300 0000 00000000 00000000  // nlmsghdr: NLMSG_DONE
        01000000 01000000 00000000 01000000 2800 0000  // cn_msg, ack 1
        00000000 ffffffff 3b8910867a030000  // proc_event: PROC_EVENT_NONE, no cpu, time
        16000000  // err: EINVAL
        00000000 00000000 00000000 00000000 00000000  // the rest of the union
        """)

    static let all = [fork, exec, exit, threadFork, threadExit, acknowledgement]
}
