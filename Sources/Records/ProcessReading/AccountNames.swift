import Glibc
import SystemCalls

/// What a host calls its users and groups, from the texts of its passwd(5) and group(5): no name service is asked, which
/// may be a server that does not answer.
public struct AccountNames: Sendable {
    private var users: [UInt32: String] = [:]
    private var groups: [UInt32: String] = [:]

    /// Reads the two texts.
    public init(passwd: [UInt8], group: [UInt8]) {
        users = Self.names(passwd)
        groups = Self.names(group)
    }

    /// Those of this machine; a file that cannot be read, or is larger than 4 MiB, has none.
    public static func ofThisMachine() -> AccountNames {
        func text(_ path: String) -> [UInt8] {
            (try? FileDescriptor.open(path, O_RDONLY | O_NONBLOCK).readAll(limit: 4 << 20)) ?? []
        }
        return AccountNames(passwd: text("/etc/passwd"), group: text("/etc/group"))
    }

    /// The name of a user; empty where it has none.
    public func user(_ number: UInt32) -> String { users[number] ?? "" }

    /// The name of a group; empty where it has none.
    public func group(_ number: UInt32) -> String { groups[number] ?? "" }

    /// The lines of such a file, each by its fields.
    public static func lines(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
        bytes.split(separator: UInt8(ascii: "\n")).map {
            $0.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        }
    }

    /// Of several names of a number the first one counts, as for getpwuid(3).
    private static func names(_ bytes: [UInt8]) -> [UInt32: String] {
        var names: [UInt32: String] = [:]
        for fields in lines(bytes) where fields.count >= 4 {
            guard let number = UInt32(String(decoding: fields[2], as: UTF8.self)), names[number] == nil
            else { continue }
            names[number] = String(decoding: fields[0], as: UTF8.self)
        }
        return names
    }
}
