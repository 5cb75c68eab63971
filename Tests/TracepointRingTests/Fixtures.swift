import TestSupport
import TracepointRing

/// What Linux 6.18 says of `sock:inet_sock_set_state`, and records as it wrote them.
enum Fixtures {
    static let format = Array(
        """
        name: inet_sock_set_state
        ID: 2287
        format:
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
        \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
        \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

        \tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
        \tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
        \tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
        \tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
        \tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
        \tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
        \tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;
        \tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
        \tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
        \tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
        \tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;

        print fmt: "family=%s protocol=%s sport=%hu", __print_symbolic(REC->family, { 2, "AF_INET" }), REC->sport

        """.utf8)

    static var layout: TransitionLayout {
        get throws { try TransitionLayout(TracepointFormat(format)) }
    }

    /// Process 23, thread 24: 127.0.0.1 connects to port 34761.
    static let connecting = hex(
        """
        09000000 0100 6800  // perf_event_header: PERF_RECORD_SAMPLE, misc, size
        17000000 18000000  // pid, tid
        15cd5b0700000000  // time
        4c000000  // size of the raw data
        ef08 00 00 18000000  // common_type, common_flags, common_preempt_count, common_pid
        40b2a1c08188ffff  // skaddr
        07000000 02000000  // oldstate, newstate
        0000 c987  // sport, dport
        0200 0600  // family, protocol
        7f000001 7f000001  // saddr, daddr
        00000000 00000000 0000ffff 7f000001  // saddr_v6
        00000000 00000000 0000ffff 7f000001  // daddr_v6
        00000000  // padding
        """)

    /// The answer, while another process ran; from port 52926.
    static let connected = hex(
        """
        09000000 0100 6800  // perf_event_header: PERF_RECORD_SAMPLE, misc, size
        00000000 00000000  // pid, tid
        16cd5b0700000000  // time
        4c000000  // size of the raw data
        ef08 00 00 00000000  // common_type, common_flags, common_preempt_count, common_pid
        40b2a1c08188ffff  // skaddr
        02000000 01000000  // oldstate, newstate
        bece c987  // sport, dport
        0200 0600  // family, protocol
        7f000001 7f000001  // saddr, daddr
        00000000 00000000 0000ffff 7f000001  // saddr_v6
        00000000 00000000 0000ffff 7f000001  // daddr_v6
        00000000  // padding
        """)

    static let lost = hex(
        """
        02000000 0000 1800  // perf_event_header: PERF_RECORD_LOST, misc, size
        0500000000000000  // id
        1700000000000000  // lost
        """)

    static let lostSamples = hex(
        """
        0d000000 0000 1000  // perf_event_header: PERF_RECORD_LOST_SAMPLES, misc, size
        0300000000000000  // lost
        """)

    static let throttle = hex(
        """
        05000000 0000 2000  // perf_event_header: PERF_RECORD_THROTTLE, misc, size
        15cd5b0700000000  // time
        0500000000000000  // id
        0500000000000000  // stream id
        """)
}
