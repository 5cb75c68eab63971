import CLinux
import Glibc

/// The id by which records name this machine: the daemon writes it, and whoever reads the records here finds
/// its own files by it.
public enum MachineID {
    /// Where the id stands, machine-id(5), the first that has one counts.
    public static let files = ["/etc/machine-id", "/var/lib/dbus/machine-id"]

    /// The first line of the first of the files that has one; without any the host's name has to do.
    public static func read(from files: [String] = Self.files) -> String {
        for file in files {
            guard let bytes = try? FileDescriptor.open(file, O_RDONLY).readAll(limit: 4096) else { continue }
            let line = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            if !line.isEmpty { return line }
        }
        return hostName()
    }

    /// The host's name, uname(2).
    public static func hostName() -> String {
        var names = utsname()
        uname(&names)
        return withUnsafeBytes(of: &names.nodename) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
