import Glibc
import Procfs

/// What the members that run on this machine at this moment run with: what no record has, and a start needs.
struct RunningProcesses {
    private var found: [[UInt8]: PlannedProcess] = [:]
    /// The names of the processes, by their executables.
    private(set) var names: [[UInt8]: Set<[UInt8]>] = [:]
    /// Longer names are cut off (`TASK_COMM_LEN`, its NUL not counted).
    static let nameLength = 15

    /// Looks for the programs of a plan among all processes; of several that run one program the oldest.
    init(_ programs: [PlannedProgram]) {
        let wanted = Set(programs.map(\.executable))
        let pids = HostTree("/").names(in: Array("/proc".utf8)).compactMap {
            Int32(String(decoding: $0, as: UTF8.self))
        }
        for pid in pids.sorted() {
            guard let directory = ProcessDirectory(pid), let executable = directory.executable(),
                wanted.contains(executable)
            else { continue }
            let arguments = ProcessDirectory.splitArguments(
                HostTree("/").contents(Array("/proc/\(pid)/cmdline".utf8)) ?? [])
            let workload = directory.controlGroup()
            for program in programs where program.executable == executable && found[program.key] == nil {
                // Another one of the same executable may be anybody's.
                guard program.workload.isEmpty || program.workload == workload else { continue }
                // A script stands in its arguments, perhaps by a link or relative to its folder; that of an application is
                // the only one of its interpreter in its control group (`gunicorn shop:app`).
                let name = program.script.lastName
                let isOnly =
                    !program.workload.isEmpty
                    && programs.count { ($0.executable, $0.workload) == (executable, program.workload) } == 1
                guard program.script.isEmpty || isOnly || arguments.contains(where: { $0.lastName == name })
                else { continue }
                var comm = HostTree("/").contents(Array("/proc/\(pid)/comm".utf8)) ?? []
                if comm.last == UInt8(ascii: "\n") { comm.removeLast() }
                names[executable, default: []].insert(comm)
                found[program.key] = Self.read(pid, Self.isTitle(arguments) ? [] : arguments)
            }
        }
    }

    /// Whether a program has written over its arguments what ps(1) is to show (setproctitle(3)): they are gone then.
    private static func isTitle(_ arguments: [[UInt8]]) -> Bool {
        guard let first = arguments.first else { return true }
        let name = first.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: ":") }
        // `nginx: master process`, `redis-server *:6379`: words in the place of the name.
        return name.count < first.count && HostTree("/").status(Array(first)) == nil
    }

    subscript(program: PlannedProgram) -> PlannedProcess? { found[program.key] }

    private static func read(_ pid: Int32, _ arguments: [[UInt8]]) -> PlannedProcess? {
        let tree = HostTree("/")
        guard let status = tree.contents(Array("/proc/\(pid)/status".utf8)) else { return nil }
        var process = PlannedProcess()
        process.arguments = Redaction.arguments(arguments)
        process.folder = tree.link(Array("/proc/\(pid)/cwd".utf8)) ?? []
        for line in status.split(separator: UInt8(ascii: "\n")) {
            let words = String(decoding: line, as: UTF8.self).split(whereSeparator: {
                $0 == ":" || $0 == "\t" || $0 == " "
            })
            // Real, effective, saved, of the file system: the effective one.
            switch words.first {
            case "Uid" where words.count > 2: process.user = UInt32(words[2]) ?? 0
            case "Gid" where words.count > 2: process.group = UInt32(words[2]) ?? 0
            case "Groups": process.groups = words.dropFirst().compactMap { UInt32($0) }
            case "CapEff" where words.count > 1: process.capabilities = String(words[1])
            default: break
            }
        }
        let environment = ProcessDirectory.splitArguments(
            tree.contents(Array("/proc/\(pid)/environ".utf8)) ?? [])
        process.environment = Redaction.environment(environment)
        return process
    }
}

/// What a process runs with.
public struct PlannedProcess: Equatable, Sendable {
    /// Its arguments, the name first; what looks like a secret or is program text is replaced.
    public var arguments: [[UInt8]] = []
    /// Its working directory.
    public var folder: [UInt8] = []
    /// Numbers of its effective user and group, and of the supplementary groups.
    public var user: UInt32 = 0
    /// See `user`.
    public var group: UInt32 = 0
    /// See `user`.
    public var groups: [UInt32] = []
    /// Effective capabilities, in hexadecimal digits (`CapEff`).
    public var capabilities = ""
    /// Its environment: `NAME=value` where the value is known to be none of a secret, else `NAME`.
    public var environment: [[UInt8]] = []

    /// Nothing known.
    public init() {}
}

/// What a plan must not show.
enum Redaction {
    static let mark = Array("[redacted]".utf8)

    /// Options of interpreters whose next argument is program text.
    private static let texts: Set<[UInt8]> = Set(
        ["-c", "-e", "-E", "--eval", "-r", "--command"].map { Array($0.utf8) })
    private static let secrets = [
        "pass", "secret", "token", "apikey", "api-key", "api_key", "credential", "private",
    ]
    /// Variables whose values say how a program runs, and never who it is.
    private static let shown: Set<String> = [
        "HOME", "JAVA_HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LOGNAME", "NODE_ENV", "NODE_PATH",
        "PATH", "PGDATA",
        "PYTHONHOME", "PYTHONPATH", "SHELL", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "XDG_RUNTIME_DIR",
    ]

    /// Arguments without what may be secret: the text behind `-c` and the like, the value of an option whose name speaks
    /// of one, and a password in an address.
    static func arguments(_ all: [[UInt8]]) -> [[UInt8]] {
        var shown: [[UInt8]] = []
        var isNextHidden = false
        var isSecret = false
        let isInterpreter =
            all.first.map { interpreters.contains($0.lastName.prefix { isLetter($0) }) } ?? false
        for (number, argument) in all.enumerated() {
            if isNextHidden {
                // `postgres -c config_file=…` is a setting; a text of any language has blanks, brackets or semicolons.
                shown.append(isSecret || isInterpreter || isText(argument) ? mark : withoutPassword(argument))
                (isNextHidden, isSecret) = (false, false)
            } else if number > 0, texts.contains(argument) {
                shown.append(argument)
                isNextHidden = true
            } else if number > 0, speaksOfSecret(argument) {
                if let equals = argument.firstIndex(of: UInt8(ascii: "=")) {
                    shown.append(argument[...equals] + mark)
                } else {
                    shown.append(argument)
                    isNextHidden = argument.first == UInt8(ascii: "-")
                    isSecret = isNextHidden
                }
            } else {
                shown.append(withoutPassword(argument))
            }
        }
        return shown
    }

    private static let interpreters = [
        "bash", "dash", "ksh", "lua", "node", "perl", "php", "python", "ruby", "sh", "zsh",
    ]
    .map { Array($0.utf8)[...] }

    private static func isLetter(_ byte: UInt8) -> Bool { (97...122).contains(byte) }

    private static func isText(_ argument: [UInt8]) -> Bool {
        argument.contains { " \t\n;(){}<>|&$`'\"".utf8.contains($0) }
    }

    /// `NAME=value` of those whose values may be shown, the names of the others.
    static func environment(_ all: [[UInt8]]) -> [[UInt8]] {
        all.compactMap { variable in
            guard let equals = variable.firstIndex(of: UInt8(ascii: "=")), equals > 0 else { return nil }
            let name = String(decoding: variable[..<equals], as: UTF8.self)
            return shown.contains(name) || name.hasPrefix("LC_") ? variable : Array(variable[..<equals])
        }
    }

    private static func speaksOfSecret(_ argument: [UInt8]) -> Bool {
        let name = argument.prefix { $0 != UInt8(ascii: "=") }
        let text = String(decoding: name, as: UTF8.self).lowercased()
        // A path is no option, whatever it is called.
        return !text.hasPrefix("/") && secrets.contains { text.contains($0) }
    }

    /// `scheme://user:password@host`.
    private static func withoutPassword(_ argument: [UInt8]) -> [UInt8] {
        let text = String(decoding: argument, as: UTF8.self)
        guard let scheme = text.firstRange(of: "://"),
            let at = text[scheme.upperBound...].firstIndex(of: "@"),
            let colon = text[scheme.upperBound..<at].firstIndex(of: ":")
        else { return argument }
        return Array((text[...colon] + String(decoding: mark, as: UTF8.self) + text[at...]).utf8)
    }
}
