import Glibc
import Records
import SystemCalls

/// What a process may do beyond its user (capabilities(7)), as masks.
struct ProcessCapabilities: Equatable, Sendable {
    var permitted: UInt64 = 0
    var effective: UInt64 = 0
    var bounding: UInt64 = 0
    var ambient: UInt64 = 0

    /// Of the lines of /proc/PID/status (proc(5)); `nil` where they have none.
    init?(status lines: [Substring]) {
        func mask(_ key: String) -> UInt64? {
            lines.first { $0.hasPrefix(key + ":") }?.split(separator: "\t").last.flatMap {
                UInt64($0, radix: 16)
            }
        }
        guard let permitted = mask("CapPrm"), let effective = mask("CapEff"), let bounding = mask("CapBnd")
        else {
            return nil
        }
        (self.permitted, self.effective, self.bounding) = (permitted, effective, bounding)
        ambient = mask("CapAmb") ?? 0
    }

    init?(_ value: JSONValue) {
        guard let masks = value.array?.compactMap({ $0.integer.flatMap { UInt64(exactly: $0) } }),
            masks.count == 4
        else { return nil }
        (permitted, effective, bounding, ambient) = (masks[0], masks[1], masks[2], masks[3])
    }

    var value: JSONValue {
        .array([permitted, effective, bounding, ambient].map { .integer(Int128($0)) })
    }

    private init() {}

    /// This process's.
    static var own: ProcessCapabilities {
        let bytes = (try? FileDescriptor.open("/proc/self/status", O_RDONLY))?.bytes ?? []
        return ProcessCapabilities(status: String(decoding: bytes, as: UTF8.self).split(separator: "\n"))
            ?? ProcessCapabilities()
    }
}
