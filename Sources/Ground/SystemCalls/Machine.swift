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

/// The number of a kernel, such as 6.18, for what cannot be asked of it in another way.
public struct KernelRelease: Comparable, Sendable {
    /// The first number.
    public var major: Int
    /// The second number.
    public var minor: Int

    /// Makes a number.
    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Reads the text of uname(2), such as `6.1.0-18-amd64`; 0.0 for another form.
    public init(_ text: String) {
        let numbers = text.split(separator: ".", maxSplits: 2).map { Int($0.prefix { $0.isNumber }) ?? 0 }
        self.init(numbers.count >= 2 ? numbers[0] : 0, numbers.count >= 2 ? numbers[1] : 0)
    }

    /// The number of the running kernel.
    public static let running: KernelRelease = {
        var name = utsname()
        guard uname(&name) == 0 else { return KernelRelease(0, 0) }
        return withUnsafeBytes(of: &name.release) { bytes in
            KernelRelease(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
        }
    }()

    /// Whether fanotify reports the files of an overlay on its layers: Linux 6.5 and later. Before that an open through an
    /// overlay is reported by a mark on the overlay alone, if at all.
    public static let reportsLayersOfOverlays = running >= KernelRelease(6, 5)

    /// Ordered as numbers are.
    public static func < (left: KernelRelease, right: KernelRelease) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}
