import EventTrace

/// What the kernel tells of one connection, in a recording: 127.0.0.1 to port 34761, by process 100.
enum Connections {
    /// The layout of `sock:inet_sock_set_state` on Linux 6.18 as a recording keeps it: a version, then
    /// its number and the offsets of its fields.
    static let layout: [UInt8] = {
        var payload = PayloadWriter()
        payload.put(UInt8(1))
        for number in [2287, 8, 16, 20, 24, 26, 28, 30, 2, 40, 56] as [UInt16] { payload.put(number) }
        return payload.bytes
    }()

    /// Connecting, connected, closed, and twice the news that records were lost.
    static let records =
        transition(7, 2, pid: 100, port: 0, at: Recording.cutoff + 1000)
        + transition(2, 1, pid: 0, port: 52926, at: Recording.cutoff + 2000)
        + transition(1, 7, pid: 0, port: 52926, at: Recording.cutoff + 3000) + lost(1) + lost(2)

    static func transition(_ old: UInt32, _ new: UInt32, pid: Int32, port: UInt16, at time: UInt64) -> [UInt8]
    {
        var payload = PayloadWriter()
        for word in [9, 0x0068_0001] as [UInt32] { payload.put(word) }  // PERF_RECORD_SAMPLE, 104 bytes
        payload.put(pid)
        payload.put(pid)
        payload.put(time)
        payload.put(UInt32(76))  // size of the raw data
        payload.put(UInt32(2287))  // common_type
        payload.put(pid)
        payload.put(UInt64(0xffff_8881_c0a1_b240))  // skaddr
        payload.put(old)
        payload.put(new)
        payload.put(port)
        payload.put(UInt16(34761))
        payload.put(UInt16(2))  // AF_INET
        payload.put(UInt16(6))  // IPPROTO_TCP
        let address: [UInt8] = [127, 0, 0, 1]
        let mapped = [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + address
        return payload.bytes + address + address + mapped + mapped + [0, 0, 0, 0]
    }

    static func lost(_ count: UInt64) -> [UInt8] {
        var payload = PayloadWriter()
        for word in [2, 0x0018_0000] as [UInt32] { payload.put(word) }  // PERF_RECORD_LOST, 24 bytes
        payload.put(UInt64(5))
        payload.put(count)
        return payload.bytes
    }

    /// The notice of its end: inet_diag_msg and a tcp_info with what went over it.
    static let closed: [UInt8] = {
        var information = [UInt8](repeating: 0, count: 224)
        information[128] = 78  // tcpi_bytes_received, the FIN counted
        information[200] = 23  // tcpi_bytes_sent
        var payload = PayloadWriter()
        for word in [UInt32(16 + 72 + 8 + 4 + information.count), 20, 0, 0] { payload.put(word) }
        payload.put(UInt32(0x0702))  // AF_INET, TCP_CLOSE
        payload.put(UInt16(52926).bigEndian)
        payload.put(UInt16(34761).bigEndian)
        for _ in 0..<2 { for word in [UInt32(0x7f00_0001).bigEndian, 0, 0, 0] { payload.put(word) } }
        for _ in 0..<8 { payload.put(UInt32(0)) }  // interface, cookie, timer, queues, uid, inode
        for part in [5, 10] as [UInt16] { payload.put(part) }  // INET_DIAG_PROTOCOL
        payload.put(UInt32(6))
        payload.put(UInt16(4 + information.count))
        payload.put(UInt16(2))  // INET_DIAG_INFO
        return payload.bytes + information
    }()
}
