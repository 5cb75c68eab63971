import Glibc
import MovePlan
import SystemCalls
import Text

/// An empty root in which a plan is tried: filled, started, asked, and thrown away.
final class PlanTrial {
    /// What came of it.
    struct Answer {
        var isRunning = false
        /// For people.
        var sentence: String
        /// What was asked for and was not there.
        var lookups = FailedLookups([], root: [])

        static func failed(_ sentence: String) -> Answer { Answer(sentence: sentence) }
    }

    private let source: String
    private let folder: String
    private let isKept: Bool
    private let signals = HeldSignals()
    /// The root.
    var place: String { folder + "/root" }
    private var log: String { folder + "/calls" }
    private var output: String { folder + "/output" }

    /// - Parameters:
    ///   - root: where the host's files lie.
    ///   - folder: an empty folder, which is kept; `nil` for one that goes with the trial.
    init(root: String, folder: String?) throws(Failure) {
        try Self.checkTools()
        source = root
        isKept = folder != nil
        if let folder {
            guard mkdir(folder, 0o700) == 0 || Self.isEmpty(folder) else {
                throw Failure("\(folder.printable) is no empty folder", status: ExitStatus.badInput)
            }
            self.folder = folder
        } else {
            var template = Array("/var/tmp/retinue-try-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw Failure("/var/tmp: \(SystemError.text(of: errno))") }
            self.folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    deinit {
        if !isKept { remove(folder) }
    }

    /// Removes a folder with all that is in it, whatever signal comes. What has just been killed may still be ending.
    private func remove(_ folder: String) {
        let words = ["rm", "-rf", "--one-file-system", folder].map { Array($0.utf8) }
        for _ in 0..<20 where access(folder, F_OK) == 0 {
            (try? ChildProcess(words, output: "/dev/null", signals: signals))?.finish()
            if access(folder, F_OK) == 0 { usleep(100_000) }
        }
    }

    /// What a trial is made with, and Debian's packages of it.
    private static let tools = [
        ("strace", "strace"), ("ip", "iproute2"), ("tar", "tar"), ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
        ("setpriv", "util-linux"), ("mount", "mount"), ("chroot", "coreutils"), ("ldconfig", "libc-bin"),
    ]

    private static func checkTools() throws(Failure) {
        let missing = tools.filter { ChildProcess.folder(of: $0.0) == nil }
        guard !missing.isEmpty else { return }
        throw Failure(
            "a plan is tried with programs that are not in PATH: \(missing.map(\.0).joined(separator: ", "))",
            details: missing.map { "\($0.0) is in Debian's package \($0.1)" })
    }

    private static func isEmpty(_ folder: String) -> Bool {
        guard let stream = opendir(folder) else { return false }
        defer { closedir(stream) }
        var count = 0
        while readdir(stream) != nil { count += 1 }
        return count <= 2
    }

    /// Tries it once.
    func run(
        _ plan: HostPlan, _ command: Command, check: String?, patience: Double
    ) throws -> Answer {
        try fill(TrialContents(plan, root: source))
        unlink(log)
        unlink(output)
        // It ends with this program, however that ends.
        let words = [
            "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--ipc", "--uts",
            "--net", "--kill-child",
            "sh", "-c", Self.enter, "sh",
        ]
        let service = try ChildProcess(
            (words + [place, log]).map { Array($0.utf8) } + command.words(in: place), output: output,
            signals: signals)
        var answer = Answer.failed("it ended at once")
        let end = Clock.monotonic() + UInt64((check == nil ? min(patience, 5) : patience) * 1e9)
        while !service.isOver {
            if let check, try answers(check, service.pid) {
                answer = Answer(isRunning: true, sentence: "it runs, and the check succeeds")
                break
            }
            if Clock.monotonic() >= end {
                answer =
                    check == nil
                    ? Answer(isRunning: true, sentence: "it runs")
                    : .failed("it runs, but the check did not succeed within \(Int(patience)) s")
                break
            }
            try signals.wait(250_000_000)
        }
        service.end()
        if !answer.isRunning { answer.sentence += lastWords }
        answer.lookups = FailedLookups(Self.contents(log), root: Array(place.utf8))
        return answer
    }

    private func answers(_ check: String, _ pid: pid_t) throws -> Bool {
        // Before it has left this machine's network, the original would answer.
        guard let network = Self.network(pid), network != Self.network(getpid()) else { return false }
        return try ChildProcess.run(
            ["nsenter", "--net=/proc/\(pid)/ns/net", "sh", "-c", check], output: folder + "/check",
            signals: signals) == 0
    }

    /// The network namespace of a process.
    private static func network(_ pid: pid_t) -> ino_t? {
        var status = stat()
        return stat("/proc/\(pid)/ns/net", &status) == 0 ? status.st_ino : nil
    }

    /// What it said last.
    private var lastWords: String {
        let lines = Self.contents(output).split(separator: UInt8(ascii: "\n")).suffix(5)
        return lines.isEmpty
            ? "" : ":\n" + lines.map { "  " + Printable.text(Array($0)) }.joined(separator: "\n") + "\n"
    }

    private static func contents(_ path: String) -> [UInt8] {
        var bytes: [UInt8] = []
        guard let file = try? InputFile(path: path) else { return [] }
        try? file.forEachPiece { bytes += $0 }
        return bytes
    }

    // MARK: The root

    private func fill(_ contents: TrialContents) throws {
        for remark in contents.remarks { Diagnostics.say(remark) }
        remove(place)
        guard mkdir(place, 0o755) == 0 else { throw Failure("\(place): \(SystemError.text(of: errno))") }
        let list = folder + "/list"
        var names: [UInt8] = []
        // Behind `./` no name is an option, or a comment.
        for path in contents.paths { names += [UInt8(ascii: ".")] + path + [0] }
        try Self.write(names, to: list)
        // A copy, not a link: what the trial writes is none of the original's.
        let copied = try ChildProcess.run(
            ["sh", "-c", Self.copy, "sh", source, place, list], output: output, signals: signals)
        // 1: a file changed while it was read.
        guard copied <= 1 else { throw Failure("the files could not be copied\(lastWords)") }
        for path in contents.folders {
            let name = place + String(decoding: path, as: UTF8.self)
            var status = stat()
            guard lstat(name, &status) != 0 else { continue }
            if stat(source + String(decoding: path, as: UTF8.self), &status) == 0 {
                mkdir(name, status.st_mode & 0o7777)
                chmod(name, status.st_mode & 0o7777)
                chown(name, status.st_uid, status.st_gid)
            } else {
                mkdir(name, 0o755)
            }
        }
        mkdir(place + "/etc", 0o755)
        try Self.write(contents.passwd, to: place + "/etc/passwd")
        try Self.write(contents.group, to: place + "/etc/group")
        try Self.write(contents.hosts, to: place + "/etc/hosts")
        for name in ["/etc/passwd", "/etc/group", "/etc/hosts"] { chmod(place + name, 0o644) }
        _ = try ChildProcess.run(["ldconfig", "-r", place], output: output, signals: signals)
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        try OutputFile.write(to: path) { try $0.write(bytes) }
    }

    private static let copy = """
        tar -C "$1" --create --null --verbatim-files-from --no-recursion --files-from="$3" --numeric-owner --sparse \
        --xattrs --xattrs-include='*' --acls --ignore-failed-read |
        tar -C "$2" --extract --preserve-permissions --same-owner --numeric-owner --xattrs --xattrs-include='*' --acls \
        --delay-directory-restore
        """

    /// Enters the namespaces: a network with loopback alone, /proc of its own processes, the devices that everybody has.
    private static let enter = """
        root=$1 log=$2
        shift 2
        # No language: what these programs ask for is none of the plan's.
        export LC_ALL=C
        ip link set lo up &&
        mount --bind "$root" "$root" && cd "$root" &&
        mount -t proc proc proc && mount -t tmpfs -o mode=755 dev dev && mkdir dev/shm dev/pts && chmod 1777 dev/shm &&
        for name in null zero full random urandom tty; do : > dev/$name && mount --bind /dev/$name dev/$name; done &&
        ln -s /proc/self/fd dev/fd && ln -s fd/0 dev/stdin && ln -s fd/1 dev/stdout && ln -s fd/2 dev/stderr &&
        exec strace -f -y -s 4096 -o "$log" -e trace=%file -e signal=none "$@"
        """
}

extension PlanTrial {
    /// What starts the program.
    struct Command {
        private let process: PlannedProcess?
        private let arguments: [[UInt8]]

        /// The given one, by a shell; else what a program of the plan ran with when the plan was made.
        init(_ plan: HostPlan, start: String?) throws(Failure) {
            let programs = plan.programs.filter { !$0.isStop && $0.process != nil }
            // Where it began stands first among its reasons; a plan that was made by hand has none.
            let first = programs.first { $0.reason.contains("where the group begins") } ?? programs.first
            process = first?.process
            if let start {
                arguments = ["/bin/sh", "-c", start].map { Array($0.utf8) }
                return
            }
            guard let first, let process, !process.arguments.isEmpty else {
                throw Failure(
                    "the plan does not know what a program of it was started with: say by --start what starts it",
                    status: ExitStatus.badInput)
            }
            guard !process.arguments.contains(where: { $0.elementsEqual("[redacted]".utf8) }) else {
                throw Failure(
                    "arguments of \(Printable.text(first.executable)) are redacted in the plan: say by --start what starts it",
                    status: ExitStatus.badInput)
            }
            arguments = [first.executable] + process.arguments.dropFirst()
        }

        /// As words, from outside of the root.
        func words(in root: String) -> [[UInt8]] {
            var words = ["chroot"].map { Array($0.utf8) }
            if let process {
                let groups = process.groups.map(String.init).joined(separator: ",")
                words.append(Array("--userspec=\(process.user):\(process.group)".utf8))
                words.append(Array("--groups=\(groups)".utf8))
            }
            words += [root, "/usr/bin/env", "-i"].map { Array($0.utf8) }
            let variables = process?.environment.filter { $0.contains(UInt8(ascii: "=")) } ?? []
            if let folder = process?.folder, folder.count > 1 {
                words.append(Array("--chdir=".utf8) + folder)
            }
            let path = Array("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".utf8)
            return words + [path] + variables + arguments
        }
    }
}
