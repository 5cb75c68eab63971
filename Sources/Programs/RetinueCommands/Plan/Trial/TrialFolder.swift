import Glibc
import SystemCalls
import Text

/// The folder in which something is made of a plan: it goes with its value, unless a person named it.
///
/// It is locked (flock(2)) as long as it is in use, so that one whose program was killed can be distinguished from one in use: the
/// next one that is made removes it.
final class TrialFolder {
    let path: String
    let signals: HeldSignals
    private let lock: FileDescriptor?

    private static let place = "/var/tmp"
    private static let prefix = "retinue-try-"

    /// - Parameter named: an empty folder, which is kept; `nil` for one that goes with the value.
    init(named: String?, signals: HeldSignals) throws(Failure) {
        self.signals = signals
        if let named {
            guard mkdir(named, 0o700) == 0 || Self.isEmpty(named) else {
                throw Failure("\(named.printable) is no empty folder", status: ExitStatus.badInput)
            }
            path = named
            lock = nil
            return
        }
        Self.removeAbandoned(signals)
        while true {
            var template = Array("\(Self.place)/\(Self.prefix)XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else {
                throw Failure("\(Self.place): \(SystemError.text(of: errno))")
            }
            let made = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // Another one may have taken it for abandoned before it was locked.
            guard let lock = Self.locked(made) else { continue }
            self.lock = consume lock
            path = made
            return
        }
    }

    deinit {
        if lock != nil { Self.remove(path, signals) }
    }

    /// Removes something in it.
    func remove(_ path: String) { Self.remove(path, signals) }

    /// Removes a folder with all that is in it, whatever signal comes. What has just been killed may still be ending.
    private static func remove(_ folder: String, _ signals: HeldSignals) {
        let words = ["rm", "-rf", "--one-file-system", folder].map { Array($0.utf8) }
        for _ in 0..<20 where access(folder, F_OK) == 0 {
            (try? ChildProcess(words, output: "/dev/null", signals: signals))?.finish()
            if access(folder, F_OK) == 0 { usleep(100_000) }
        }
    }

    /// Removes what a killed one has left.
    private static func removeAbandoned(_ signals: HeldSignals) {
        for name in names(in: place) where name.hasPrefix(prefix) {
            let folder = "\(place)/\(name)"
            if let lock = locked(folder) {
                remove(folder, signals)
                _ = consume lock
            }
        }
    }

    /// The lock of a folder of this user's; `nil` where it is in use, gone, or none of these.
    private static func locked(_ folder: String) -> FileDescriptor? {
        guard
            let file = try? FileDescriptor.open(
                folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, mode: 0)
        else { return nil }
        var status = stat()
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0, fstat(file.number, &status) == 0,
            status.st_uid == geteuid(), status.st_nlink > 0
        else { return nil }
        return file
    }

    /// What programs said last, in a file.
    static func lastWords(in file: String) -> String {
        let lines = InputFile.contents(of: file).split(separator: UInt8(ascii: "\n")).suffix(5)
        return lines.isEmpty
            ? "" : ":\n" + lines.map { "  " + Printable.text(Array($0)) }.joined(separator: "\n") + "\n"
    }

    private static func isEmpty(_ folder: String) -> Bool {
        guard let stream = opendir(folder) else { return false }
        closedir(stream)
        return names(in: folder).isEmpty
    }

    private static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            names.append(String(decoding: name, as: UTF8.self))
        }
        return names.filter { $0 != "." && $0 != ".." }
    }
}
