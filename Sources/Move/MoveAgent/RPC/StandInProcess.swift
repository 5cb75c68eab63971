import CLinux
import Glibc
import Procfs
import Records
import SystemCalls

/// The agent's hold on a stand-in: starts it, says where the server is, ends it. Another agent after a crash finds it by its folder.
struct StandInProcess {
    let folder: String
    let order: StandInOrder

    private var rules: StandInRules { StandInRules(name: order.rules, doors: order.doors) }

    init(_ folder: String, _ order: StandInOrder) { (self.folder, self.order) = (folder, order) }

    /// One that was started before.
    init?(at folder: String) {
        guard let order = SafeFile.read(folder + "/order.json").flatMap({ StandInOrder($0) }) else {
            return nil
        }
        self.init(folder, order)
    }

    private var process: Members.Process? {
        guard let value = SafeFile.read(folder + "/process.json"),
            let pid = value["pid"]?.integer.flatMap({ Int32(exactly: $0) }),
            let start = value["start"]?.integer.flatMap({ UInt64(exactly: $0) })
        else { return nil }
        return Members.Process(pid: pid, parent: 0, start: start, program: 0)
    }

    var isRunning: Bool { process.map { Members.lives($0) } ?? false }

    /// Starts it; no packet comes to it yet. Everything that may fail for what this host has, fails here.
    func start() throws(MoveError) {
        try end()
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw MoveError("\(folder): \(SystemError.text(of: errno))")
        }
        for name in ["state.json", "route.json"] { unlink("\(folder)/\(name)") }
        try SafeFile.write(order.value, to: folder + "/order.json")
        if !order.rules.isEmpty { try rules.prepare() }
        try launch("open")
    }

    /// Starts it again as it was, after a restart of the host.
    func resume() throws(MoveError) {
        guard !isRunning, access(folder + "/route.json", F_OK) == 0 else { return }
        unlink(folder + "/state.json")
        if !order.rules.isEmpty { try rules.prepare() }
        try launch("passing")
        if !order.rules.isEmpty { try rules.load(isHolding: false) }
    }

    private func launch(_ word: String) throws(MoveError) {
        var launch = Launch(["/proc/self/exe", "stand-in", folder])
        let log = FileDescriptor(
            owning: Glibc.open(folder + "/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        )
        let null = FileDescriptor(owning: Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC))
        (launch.input, launch.output) = (null.number, log.number)
        let pid = try launch.start()
        try SafeFile.write(
            .object([
                .init("pid", .integer(Int128(pid))),
                .init("start", .integer(Int128(ProcessDirectory(pid)?.status()?.startTicks ?? 0))),
            ]), to: folder + "/process.json")
        try wait(for: word)
    }

    private func wait(for word: String) throws(MoveError) {
        let limit = Clock.monotonic() + 10_000_000_000
        while true {
            let state = SafeFile.read(folder + "/state.json")
            if let error = state?["error"]?.string { throw MoveError("the stand-in: \(error)") }
            if state?["state"]?.string == word { return }
            guard isRunning, Clock.monotonic() < limit else { throw MoveError("the stand-in does not run") }
            usleep(300)
        }
    }

    /// Clients' packets come to it, and wait in it.
    func hold() throws(MoveError) { try rules.load(isHolding: true) }

    /// It passes on what waits and what comes.
    func pass(to route: StandInRoute) throws(MoveError) {
        guard let process, Members.lives(process) else {
            throw MoveError("the stand-in does not run any more")
        }
        let isFirst = access(folder + "/route.json", F_OK) != 0
        try SafeFile.write(route.value, to: folder + "/route.json")
        if isFirst { unlink(folder + "/state.json") }
        Members.signal(process, SIGUSR1)
        try wait(for: "passing")
        guard !order.rules.isEmpty else { return }
        try rules.load(isHolding: false)
        for connection in route.connections { connection.sendNudge() }
    }

    /// Ends it, and lets clients' packets go where they are sent.
    func end() throws(MoveError) {
        if !order.rules.isEmpty { try rules.remove() }
        guard let process else { return }
        Members.signal(process, SIGTERM)
        let limit = Clock.monotonic() + 5_000_000_000
        while Members.lives(process), Clock.monotonic() < limit { usleep(1_000) }
        Members.signal(process, SIGKILL)
        waitpid(process.pid, nil, WNOHANG)
        unlink(folder + "/process.json")
    }
}
