import Glibc
import SystemCalls

/// Probes of kernel functions, defined through tracefs (`kprobe_events`; the kernel needs `CONFIG_KPROBE_EVENTS`, and must
/// not be locked down for confidentiality). No program is touched and no BPF is loaded.
///
/// A definition outlives whoever made it. Each process that may define some has a group of its own, `retinue_PID`; what one
/// that was killed has left behind goes when the next one starts, and what is in use by another that lives the kernel keeps.
///
/// The files belong to root, and no capability but `CAP_DAC_OVERRIDE` lets another user write to them. A daemon that runs as
/// one uses the group `retinued`, which root has defined before (`defineShared`), and defines nothing.
struct KernelProbes: ~Copyable {
    private let files: TraceFileSystem
    /// The group of this process, or the one that is shared.
    let group: String
    private var names: [String] = []
    private var isShared: Bool { group == Self.sharedGroup }

    /// What root defines for a daemon of another user. It does not begin as the others do, which any daemon takes away.
    static let sharedGroup = "retinued"

    /// Takes away what earlier processes left behind, and defines nothing yet.
    init() throws(TracepointError) {
        let files = try TraceFileSystem()
        do throws(SystemError) {
            _ = try files.open("kprobe_events", O_WRONLY | O_APPEND)
        } catch {
            guard error.code == EACCES, geteuid() != 0 else { throw .missing(error) }
            self.files = files
            group = Self.sharedGroup
            return
        }
        do throws(SystemError) {
            for definition in try Self.definitions(files, "retinue_") {
                try? Self.write("-:\(definition)", files)
            }
        } catch { throw .missing(error) }
        self.files = files
        group = "retinue_\(getpid())"
    }

    /// Takes its probes away, once nothing reads them any more.
    deinit { for name in names { try? Self.write("-:\(group)/\(name)", files) } }

    /// Defines a probe: `p` or `r` and options, its name, and what follows it (Documentation/trace/kprobetrace.rst). One that is
    /// shared is looked for.
    mutating func define(_ kind: String, _ name: String, _ rest: String) throws(TracepointError) {
        guard !isShared else {
            guard files.has(group: group, name) else { throw .undefined }
            return
        }
        do throws(SystemError) {
            try Self.write("\(kind):\(group)/\(name) \(rest)", files)
        } catch { throw .refused(error) }
        names.append(name)
    }

    // MARK: For a daemon of another user

    /// Defines one of those that are shared, as root; one that a daemon uses stays as it is.
    static func defineShared(_ kind: String, _ name: String, _ rest: String) throws(TracepointError) {
        let files = try TraceFileSystem()
        try? write("-:\(sharedGroup)/\(name)", files)
        do throws(SystemError) {
            try write("\(kind):\(sharedGroup)/\(name) \(rest)", files)
        } catch {
            if !files.has(group: sharedGroup, name) { throw .refused(error) }
        }
    }

    /// Takes those away that are shared and that nobody uses, as root.
    static func removeShared() throws(TracepointError) {
        let files = try TraceFileSystem()
        do throws(SystemError) {
            for definition in try definitions(files, sharedGroup + "/") {
                try? write("-:\(definition)", files)
            }
        } catch { throw .missing(error) }
    }

    /// Those that begin so and were defined by anybody, as `GROUP/NAME`.
    private static func definitions(
        _ files: borrowing TraceFileSystem, _ prefix: String
    ) throws(SystemError) -> [String] {
        let text = try files.open("kprobe_events", O_RDONLY).readAll(limit: 1 << 20)
        return text.split(separator: UInt8(ascii: "\n")).compactMap { line in
            // p:GROUP/NAME or r64:GROUP/NAME, then where it is.
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let name = line[(colon + 1)...].prefix { $0 != UInt8(ascii: " ") }
            return name.starts(with: Array(prefix.utf8)) ? String(decoding: name, as: UTF8.self) : nil
        }
    }

    private static func write(_ line: String, _ files: borrowing TraceFileSystem) throws(SystemError) {
        let file = try files.open("kprobe_events", O_WRONLY | O_APPEND)
        let bytes = Array((line + "\n").utf8)
        var failure: SystemError?
        bytes.withUnsafeBytes { bytes in
            do throws(SystemError) { try file.writeAll(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
