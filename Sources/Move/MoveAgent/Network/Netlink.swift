import CLinux
import Glibc
import SystemCalls

/// A message of netlink(7): its head, a fixed part and attributes, all in the order of bytes of this machine.
struct NetlinkMessage {
    private let kind: UInt16
    private let flags: UInt16
    private var body: [UInt8] = []

    /// - Parameter flags: beside `NLM_F_REQUEST`.
    init(_ kind: UInt16, flags: UInt16 = 0) { (self.kind, self.flags) = (kind, flags | 1) }

    static let acknowledged: UInt16 = 4
    /// `NLM_F_DUMP`.
    static let dump: UInt16 = 0x300

    mutating func append(_ bytes: [UInt8]) { body += bytes }

    static func raw<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number) { Array($0) }
    }

    mutating func attribute(_ kind: UInt16, _ value: [UInt8]) { body += Self.attribute(kind, value) }

    /// One attribute, filled up to four bytes.
    static func attribute(_ kind: UInt16, _ value: [UInt8]) -> [UInt8] {
        raw(UInt16(4 + value.count)) + raw(kind) + value
            + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
    }

    /// One that has attributes in it (`NLA_F_NESTED`).
    static func nested(_ kind: UInt16, _ value: [UInt8]) -> [UInt8] { attribute(kind | 0x8000, value) }

    /// As it is sent.
    func bytes(sequence: UInt32 = 1) -> [UInt8] {
        Self.raw(UInt32(16 + body.count)) + Self.raw(kind) + Self.raw(flags) + Self.raw(sequence)
            + Self.raw(UInt32(0)) + body
    }
}

/// An answer of the kernel.
struct NetlinkAnswer: Equatable {
    var kind: UInt16
    var sequence: UInt32
    var body: [UInt8]

    /// All in what was received; what is cut off is none.
    static func all(in bytes: [UInt8]) -> [NetlinkAnswer] {
        var found: [NetlinkAnswer] = []
        var rest = bytes[...]
        while let length = number(rest, 0, UInt32.self).map(Int.init), length >= 16, length <= rest.count {
            found.append(
                NetlinkAnswer(
                    kind: number(rest, 4, UInt16.self)!, sequence: number(rest, 8, UInt32.self)!,
                    body: Array(rest.dropFirst(16).prefix(length - 16))))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return found
    }

    /// Of an `NLMSG_ERROR`: 0, or the number of an error; `nil` of any other.
    var error: Int32? {
        guard kind == UInt16(NLMSG_ERROR) else { return nil }
        // A number that has no positive one is an error all the same.
        return Self.number(body[...], 0, Int32.self).map { $0 == .min ? EPROTO : abs($0) } ?? EPROTO
    }

    /// Attributes behind a fixed part of so many bytes; the first of each kind.
    func attributes(behind length: Int) -> [UInt16: [UInt8]] { Self.attributes(in: body.dropFirst(length)) }

    /// Attributes that follow each other, as those in another one do; the first of each kind.
    static func attributes(in bytes: ArraySlice<UInt8>) -> [UInt16: [UInt8]] {
        var found: [UInt16: [UInt8]] = [:]
        var rest = bytes
        while let length = number(rest, 0, UInt16.self).map(Int.init), length >= 4, length <= rest.count {
            let kind = number(rest, 2, UInt16.self)! & 0x3fff
            if found[kind] == nil { found[kind] = Array(rest.dropFirst(4).prefix(length - 4)) }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return found
    }

    private static func number<Number: FixedWidthInteger>(
        _ bytes: ArraySlice<UInt8>, _ offset: Int, _: Number.Type
    ) -> Number? {
        guard bytes.count >= offset + MemoryLayout<Number>.size else { return nil }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
    }
}

/// Questions to this host's kernel, where a process that asks them takes longer than all that it does: clients are held meanwhile.
enum Netlink {
    /// Sends bytes, and takes answers in until there are so many, a dump ends, or one of them is an error.
    static func ask(_ family: Int32, _ request: [UInt8], answers: Int = 1) throws(SystemError)
        -> [NetlinkAnswer]
    {
        let number = try systemCall("socket") {
            socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), family)
        }
        // When one of netfilter's goes, the kernel waits until all that was removed is freed: a grace period.
        defer {
            if family == NETLINK_ROUTE { close(number) } else { DeferredClose.close(number) }
        }
        var time = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        _ = try systemCall("send") { send(number, request, request.count, 0) }
        var found: [NetlinkAnswer] = []
        var answer = [UInt8](repeating: 0, count: 32 << 10)
        while found.count < answers {
            let count = try systemCall("recv") { recv(number, &answer, answer.count, 0) }
            let more = NetlinkAnswer.all(in: Array(answer[..<count]))
            guard !more.isEmpty else { throw SystemError("netlink", code: EPROTO) }
            found += more
            if more.contains(where: { ($0.error ?? 0) != 0 || $0.kind == UInt16(NLMSG_DONE) }) { break }
        }
        return found
    }
}
