/// The name under which a workload is recorded.
///
/// Some units are made anew each time and named by a number that never comes again: `session-7.scope`, a unit of
/// systemd-run(1), an instance for each connection of a socket unit (`Accept=yes`). They are one workload: recorded by their
/// own names, each login would make records of its own for ever. So the part that changes is recorded as `*`. Names
/// that people choose stay, numbers in them included.
public enum WorkloadName {
    /// The name with what changes replaced; `nil` where nothing does, as in most. Asked for every exec.
    public static func recorded(_ path: [UInt8]) -> [UInt8]? {
        var result: [UInt8]?
        var start = 0
        while start <= path.count {
            let end = path[start...].firstIndex(of: slash) ?? path.count
            if let name = lasting(path[start..<end]) {
                result = (result ?? Array(path[..<start])) + name
            } else {
                result?.append(contentsOf: path[start..<end])
            }
            if end < path.count { result?.append(slash) }
            start = end + 1
        }
        return result
    }

    private static let slash = UInt8(ascii: "/")

    /// A unit's name with `*` for what changes.
    private static func lasting(_ unit: ArraySlice<UInt8>) -> [UInt8]? {
        // Most begin in another way and are no instances.
        guard
            unit.first == UInt8(ascii: "s") || unit.first == UInt8(ascii: "r")
                || unit.contains(UInt8(ascii: "@")), let dot = unit.lastIndex(of: UInt8(ascii: "."))
        else { return nil }
        let (name, suffix) = (unit[..<dot], unit[dot...])
        switch true {
        case suffix.elementsEqual(".scope".utf8):
            // logind: sd_session_get_id(3), with a `c` before the number where audit gives none.
            if let rest = name.after("session-"),
                rest.isNumber || (rest.first == UInt8(ascii: "c") && rest.dropFirst().isNumber)
            {
                return Array("session-*.scope".utf8)
            }
            if let rest = name.after("run-"), rest.isTransient { return Array("run-*.scope".utf8) }
        case suffix.elementsEqual(".service".utf8):
            if let rest = name.after("run-"), rest.isTransient { return Array("run-*.service".utf8) }
            // systemd.socket(5), `Accept=`: number, perhaps a cookie, and for IP both addresses, else pid and user.
            if let at = name.firstIndex(of: UInt8(ascii: "@")), name[(at + 1)...].isConnection {
                return Array(name[...at]) + Array("*".utf8) + suffix
            }
        default: break
        }
        return nil
    }
}

extension ArraySlice<UInt8> {
    /// What follows a prefix.
    fileprivate func after(_ prefix: StaticString) -> ArraySlice<UInt8>? {
        prefix.withUTF8Buffer { starts(with: $0) } ? dropFirst(prefix.utf8CodeUnitCount) : nil
    }

    fileprivate var isNumber: Bool { !isEmpty && allSatisfy { $0 &- UInt8(ascii: "0") < 10 } }

    private var isHexadecimal: Bool {
        allSatisfy { $0 &- UInt8(ascii: "0") < 10 || $0 &- UInt8(ascii: "a") < 6 }
    }

    /// What systemd-run(1) makes up: `r` and 32 hexadecimal digits, `u` and a number, `p` and `i` with numbers; formerly
    /// a pid.
    fileprivate var isTransient: Bool {
        if isNumber { return true }
        let rest = dropFirst()
        switch first {
        case UInt8(ascii: "r"): return rest.count == 32 && rest.isHexadecimal
        case UInt8(ascii: "u"): return rest.isNumber
        case UInt8(ascii: "p"):
            let parts = rest.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
            return parts.count == 2 && parts[0].isNumber && parts[1].first == UInt8(ascii: "i")
                && parts[1].dropFirst().isNumber
        default: return false
        }
    }

    /// `NUMBER[-CHECK]-LOCAL:PORT-REMOTE:PORT` or `NUMBER-PID[_CHECK]-UID`.
    fileprivate var isConnection: Bool {
        guard let hyphen = firstIndex(of: UInt8(ascii: "-")), self[..<hyphen].isNumber else { return false }
        let parts = split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return false }
        if parts.count == 3, parts[2].isNumber,
            parts[1].split(separator: UInt8(ascii: "_")).allSatisfy(\.isNumber), !Self.isDate(parts)
        {
            return true
        }
        return parts.suffix(2).allSatisfy { part in
            guard let colon = part.lastIndex(of: UInt8(ascii: ":")) else { return false }
            return part[(colon + 1)...].isNumber && part[..<colon].isAddress
        }
    }

    /// What people name a backup after.
    private static func isDate(_ parts: [ArraySlice<UInt8>]) -> Bool { parts.map(\.count) == [4, 2, 2] }

    private var isAddress: Bool {
        !isEmpty
            && allSatisfy {
                $0 &- UInt8(ascii: "0") < 10 || ($0 | 0x20) &- UInt8(ascii: "a") < 6
                    || [UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]")].contains(
                        $0)
            }
    }
}
