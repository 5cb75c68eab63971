import CLinux
import Glibc
import SystemCalls

/// What is known of a kind of program that no observation shows: how it is asked to end, and what makes the last copy short.
///
/// A file of lines `key = value`; `#` begins a comment. Users' own, in /etc/retinue/recipes, go before those that are shipped.
public struct Recipe: Equatable, Sendable {
    /// The last name of the executable.
    public var executable = ""
    /// What asks it to end; SIGTERM, unless it is named.
    public var stopSignal: Int32 = SIGTERM
    /// Run by a shell while the program runs, before the last round of the pre-copy: it may write what is in memory.
    public var beforeStop = ""
    /// Run by a shell before each round, and after the stop: prints, a line each, names below the program's working directory
    /// that it does not need.
    public var omit = ""
    /// Where it came from.
    public var path = ""

    private static let signals: [String: Int32] = [
        "HUP": SIGHUP, "INT": SIGINT, "QUIT": SIGQUIT, "TERM": SIGTERM, "USR1": SIGUSR1, "USR2": SIGUSR2,
        "KILL": SIGKILL, "WINCH": SIGWINCH,
    ]

    /// Reads a text.
    ///
    /// - Throws: the line that is wrong.
    public init(parsing text: String, path: String) throws(MoveError) {
        self.path = path
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.drop { $0 == " " || $0 == "\t" }
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let equals = line.firstIndex(of: "=") else {
                throw MoveError("\(path):\(number + 1): a line is `key = value`")
            }
            func trimmed(_ part: Substring) -> String {
                String(
                    part.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }
                        .reversed())
            }
            let value = trimmed(line[line.index(after: equals)...])
            switch trimmed(line[..<equals]) {
            case "executable": executable = value
            case "before-stop": beforeStop = value
            case "omit": omit = value
            case "stop-signal":
                guard let signal = Self.signals[value.hasPrefix("SIG") ? String(value.dropFirst(3)) : value]
                else {
                    throw MoveError("\(path):\(number + 1): no signal `\(value)`")
                }
                stopSignal = signal
            case let key: throw MoveError("\(path):\(number + 1): no key `\(key)`")
            }
        }
        guard !executable.isEmpty else { throw MoveError("\(path): names no executable") }
    }

    /// Those of some folders, in their order; a folder that is not there has none.
    static func all(in folders: [String]) throws(MoveError) -> [Recipe] {
        var found: [Recipe] = []
        for folder in folders {
            guard let stream = opendir(folder) else { continue }
            defer { closedir(stream) }
            var names: [String] = []
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name.hasSuffix(".recipe"), !name.hasPrefix(".") { names.append(name) }
            }
            for name in names.sorted() {
                let path = "\(folder)/\(name)"
                guard let bytes = (try? FileDescriptor.open(path, O_RDONLY))?.bytes else {
                    throw MoveError("\(path): \(SystemError.text(of: errno))")
                }
                found.append(try Recipe(parsing: String(decoding: bytes, as: UTF8.self), path: path))
            }
        }
        return found
    }
}
