import CLinux
import Glibc
import Synchronization
import SystemCalls
import Transfer

/// Whether criu can do at this host what a live move needs, tried with a small process that has a TCP connection with itself.
///
/// In a network namespace of its own (`CLONE_NEWNET`). A version that is recent enough says little: what it lacks may be the kernel's.
enum LiveTrial {
    // What has passed, by the program file: nothing else is remembered, so that a cure is seen.
    private static let passed = Mutex<Set<String>>([])

    /// Why a process cannot go on alive by this host's criu, with the cure; `nil` where one did.
    static func obstacle() -> String? {
        do throws(MoveError) {
            let criu = try Criu()
            try criu.needVersion()
            let key = criu.identity
            if passed.withLock({ $0.contains(key) }) { return nil }
            try pass(criu)
            passed.withLock { _ = $0.insert(key) }
            return nil
        } catch { return "--live: \(error)" }
    }

    private static func pass(_ criu: Criu) throws(MoveError) {
        var template = Array("/var/tmp/retinue-live-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw MoveError("a folder in /var/tmp: \(SystemError.text(of: errno))")
        }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            if let inside = try? RootFolder(folder) {
                for path in inside.paths() { unlink(folder + String(decoding: path, as: UTF8.self)) }
            }
            rmdir(folder)
        }
        var launch = Launch(["/proc/self/exe", "live-trial"])
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        (launch.input, launch.output, launch.unshared) = (null, null, Int32(CLONE_NEWNET))
        let child = try launch.start()
        var isOurs = true
        defer {
            kill(child, SIGKILL)
            if isOurs { waitpid(child, nil, 0) }
        }
        let limit = Clock.monotonic() + 10_000_000_000
        while !isConnected(child) {
            guard waitpid(child, nil, WNOHANG) == 0, Clock.monotonic() < limit else {
                throw MoveError("the process that criu would be tried with does not start")
            }
            usleep(2_000)
        }
        let network = open("/proc/\(child)/ns/net", O_RDONLY | O_CLOEXEC)
        guard network >= 0 else { throw MoveError("a network namespace: \(SystemError.text(of: errno))") }
        defer { close(network) }
        try run(
            criu, ["dump", "-t", "\(child)", "--network-lock", "skip"], "dump", folder, network)
        waitpid(child, nil, 0)
        isOurs = false
        // With the number that it had, which is free by now.
        try run(criu, ["restore", "-d"], "restore", folder, network)
        guard isConnected(child) else { throw failure("restore", "the connection is not there afterwards") }
    }

    private static func run(
        _ criu: Criu, _ words: [String], _ what: String, _ folder: String, _ network: Int32
    ) throws(MoveError) {
        let log = folder + "/\(what).log"
        let outcome = try Tool.run(
            criu.words(
                below: criu.tree, words + ["-D", folder, "-o", log, "-v2", "--tcp-established"]),
            seconds: 30
        ) { $0.network = network }
        guard outcome.status == 0 else {
            let said = Criu.errors(log)
            throw failure(what, said.isEmpty ? String(outcome.output.prefix(300)) : said)
        }
    }

    private static func failure(_ what: String, _ reason: String) -> MoveError {
        MoveError(
            "criu cannot \(what) a process with a TCP connection at this host (\(reason)). \(Criu.cure)")
    }

    /// Whether both ends of a connection are there, by /proc/PID/net/tcp.
    private static func isConnected(_ pid: pid_t) -> Bool {
        guard let file = try? FileDescriptor.open("/proc/\(pid)/net/tcp", O_RDONLY) else { return false }
        let lines = file.bytes?.split(separator: UInt8(ascii: "\n")) ?? []
        return lines.filter { $0.split(separator: UInt8(ascii: " ")).dropFirst(3).first == [48, 49] }.count
            == 2
    }

    /// What is written down and restored: connects to itself, and waits.
    static func run() throws(MoveError) -> Int32 {
        func number(_ call: String, _ value: Int32) throws(MoveError) -> Int32 {
            guard value >= 0 else { throw MoveError("\(call): \(SystemError.text(of: errno))") }
            return value
        }
        guard getpid() == getsid(0) else { throw MoveError("a trial is started by the agent") }
        try Tool.need(["ip", "link", "set", "lo", "up"], seconds: 10)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let kind = Int32(SOCK_STREAM.rawValue)
        let listener = try number("socket", socket(AF_INET, kind, 0))
        let client = try number("socket", socket(AF_INET, kind, 0))
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { (pointer) throws(MoveError) in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { (name) throws(MoveError) in
                _ = try number("bind", bind(listener, name, size))
                _ = try number("listen", listen(listener, 1))
                _ = try number("getsockname", getsockname(listener, name, &size))
                _ = try number("connect", connect(client, name, size))
            }
        }
        _ = try number("accept", accept(listener, nil, nil))
        close(listener)
        // An agent that was killed does not end it.
        alarm(120)
        while true { pause() }
    }
}
