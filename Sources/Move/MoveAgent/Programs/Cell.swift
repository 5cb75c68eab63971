import CLinux
import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import Text
import Transfer

/// A root at the destination, and the programs that run in it.
///
/// Its first process is this program again, as `retinue-agent cell FOLDER`, in new namespaces of mounts and processes: it lays
/// the mounts, starts the programs and ends with the last of them. It outlives the agent, which finds it again by pid and start.
struct Cell {
    /// Everything of it: `root`, `cell.json`, `log`.
    let folder: String
    var root: String { folder + "/root" }

    /// What `cell.json` says.
    struct State {
        var isolation = Isolation.chroot
        var runs: [ProgramRun] = []
        /// The first process, by pid and start; 0 for none.
        var pid: Int32 = 0
        var start: UInt64 = 0
        /// Whether it is started when the agent is.
        var isOn = false
        /// Whether it has a network of its own, without a way out.
        var isCutOff = false
        /// A network of its own that clients reach; `nil` for the host's.
        var network: CellNetwork?
        /// A machine that was booted before its programs may start.
        var isWaiting = false
        var machine = Machine.Settings()
        /// Ports that the programs listen on.
        var ports: [ServicePort] = []
        /// Units by which systemd runs the programs at the host itself; none where this agent starts them.
        var units: [String] = []
        /// Those that are started at boot once clients were let in, as they were at the source.
        var enabled: [String] = []
        /// Filesystems of other machines that the programs find at their places.
        var shared: [SharedStorage] = []
        /// Whether its programs are restored from images, and not started.
        var isLive = false
        /// Whether their memory is fetched once they run.
        var fetchesMemory = false
        /// Seconds that they wait for it while its source does not answer; then they end.
        var patience: UInt64 = 120
        /// The address of the connections that come with them.
        var liveAddress: String?
        /// Whether another host keeps it, and hands on what comes there.
        var addressStays = false

        var value: JSONValue {
            .object([
                .init("isolation", .string(isolation.rawValue)), .init("runs", .array(runs.map(\.value))),
                .init("pid", .integer(Int128(pid))), .init("start", .integer(Int128(start))),
                .init("on", .boolean(isOn)),
                .init("cut_off", .boolean(isCutOff)), .init("network", network?.value ?? .null),
                .init("waiting", .boolean(isWaiting)), .init("machine", machine.value),
                .init("ports", .array(ports.map(\.value))),
                .init("units", .array(units.map { .string($0) })),
                .init("enabled", .array(enabled.map { .string($0) })),
                .init("shared", .array(shared.map(\.value))),
                .init("live", .boolean(isLive)), .init("address", liveAddress.map { .string($0) } ?? .null),
                .init("address_stays", .boolean(addressStays)),
                .init("fetches_memory", .boolean(fetchesMemory)),
                .init("patience", .integer(Int128(patience))),
            ])
        }

        init() {}

        init?(_ value: JSONValue) {
            guard let isolation = value["isolation"]?.string.flatMap(Isolation.init),
                let runs = value["runs"]?.array
            else {
                return nil
            }
            self.isolation = isolation
            self.runs = runs.compactMap { ProgramRun($0) }
            pid = value["pid"]?.integer.flatMap { Int32(exactly: $0) } ?? 0
            start = value["start"]?.integer.flatMap { UInt64(exactly: $0) } ?? 0
            isOn = value["on"] == .boolean(true)
            isCutOff = value["cut_off"] == .boolean(true)
            network = value["network"].flatMap(CellNetwork.init)
            isWaiting = value["waiting"] == .boolean(true)
            machine = value["machine"].flatMap(Machine.Settings.init) ?? Machine.Settings()
            ports = value["ports"]?.array?.compactMap { ServicePort($0) } ?? []
            units = value["units"]?.array?.compactMap(\.string) ?? []
            enabled = value["enabled"]?.array?.compactMap(\.string) ?? []
            isLive = value["live"] == .boolean(true)
            liveAddress = value["address"]?.string
            addressStays = value["address_stays"] == .boolean(true)
            fetchesMemory = value["fetches_memory"] == .boolean(true)
            patience = value["patience"]?.integer.flatMap { UInt64(exactly: $0) } ?? patience
            shared = value["shared"]?.array?.compactMap { SharedStorage($0) } ?? []
        }
    }

    /// A cell of a name below the agent's folder; the folder is made.
    init(named name: String, in folder: String) throws(MoveError) {
        self.folder = "\(folder)/\(name)"
        for path in [folder, self.folder] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw MoveError("\(path): \(SystemError.text(of: errno))")
            }
        }
        guard mkdir(root, 0o755) == 0 || errno == EEXIST else {
            throw MoveError("\(root): \(SystemError.text(of: errno))")
        }
    }

    /// One that is there.
    init(at folder: String) { self.folder = folder }

    var state: State {
        get {
            guard let bytes = (try? FileDescriptor.open(folder + "/cell.json", O_RDONLY))?.bytes,
                let value = try? JSONValue(parsing: bytes)
            else { return State() }
            return State(value) ?? State()
        }
        nonmutating set {
            try? SafeFile.write(newValue.value, to: folder + "/cell.json")
        }
    }

    /// Whether its programs run: its first process lives, and is no machine that is only booted.
    var isRunning: Bool {
        let state = state
        if !state.units.isEmpty { return SystemdUnits.run(state.units) }
        return !state.isWaiting && Self.lives(state)
    }

    /// Whether it is a machine that is booted, or being so, and does not run its programs yet.
    var isWaiting: Bool {
        let state = state
        return state.isWaiting && Self.lives(state)
    }

    /// Has the processes of a machine stopped, and what they wrote written to the root. Nothing is done for other cells: their
    /// processes are seen from here.
    ///
    /// - Throws: that it does not come to it in a minute.
    func rest() throws(MoveError) {
        let now = state
        guard now.isolation == .machine, Self.lives(now) else { return }
        let machine = Machine(cell: self)
        machine.clear(.resting)
        Members.signal(.init(pid: now.pid, parent: 0, start: now.start, program: 0), SIGUSR2)
        let limit = Clock.monotonic() + 60_000_000_000
        while !machine.has(.resting) {
            guard Self.lives(now), Clock.monotonic() < limit else {
                throw MoveError("the machine does not write out what its programs wrote")
            }
            usleep(2_000)
        }
    }

    /// The inverse of `rest`.
    func resume() {
        let now = state
        guard now.isolation == .machine else { return }
        Members.signal(.init(pid: now.pid, parent: 0, start: now.start, program: 0), SIGHUP)
    }

    private static func lives(_ state: State) -> Bool {
        state.pid > 0 && Members.lives(.init(pid: state.pid, parent: 0, start: state.start, program: 0))
    }

    /// Starts its programs, as the state has them; or boots its machine, which waits until this is called again.
    func begin(isWaiting: Bool = false) throws(MoveError) {
        var now = state
        guard !isRunning else { return }
        if !now.units.isEmpty { return try SystemdUnits.start(now.units) }
        if now.isolation == .machine {
            let machine = Machine(cell: self)
            if self.isWaiting {
                guard !isWaiting else { return }
                try machine.lay(now)
                now.isWaiting = false
                state = now
                Members.signal(.init(pid: now.pid, parent: 0, start: now.start, program: 0), SIGUSR1)
                return
            }
            try machine.prepare(now.machine)
            if !isWaiting { try machine.lay(now) }
        }
        now.isWaiting = isWaiting
        // The first process reads it.
        state = now
        var launch = firstProcess(now.isolation)
        var network: Int32 = -1
        defer { if network >= 0 { close(network) } }
        if now.isCutOff {
            launch.unshared |= Int32(clinux_CLONE_NEWNET)
        } else if let own = now.network {
            try own.begin()
            network = open(own.path, O_RDONLY | O_CLOEXEC)
            guard network >= 0 else { throw MoveError("\(own.path): \(SystemError.text(of: errno))") }
        }
        launch.network = network
        let output = try log()
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(null) }
        launch.input = null
        launch.output = output.number
        now.pid = try launch.start()
        now.start = ProcessDirectory(now.pid)?.status()?.startTicks ?? 0
        state = now
    }

    private func firstProcess(_ isolation: Isolation) -> Launch {
        var launch = Launch(["/proc/self/exe", "cell", folder])
        launch.unshared = Int32(clinux_CLONE_NEWNS) | Int32(clinux_CLONE_NEWPID)
        if isolation.isContainer {
            launch.unshared |= Int32(clinux_CLONE_NEWIPC) | Int32(clinux_CLONE_NEWUTS)
        }
        return launch
    }

    private func log() throws(MoveError) -> FileDescriptor {
        let log = open(folder + "/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard log >= 0 else { throw MoveError("\(folder)/log: \(SystemError.text(of: errno))") }
        return FileDescriptor(owning: log)
    }

    // MARK: Before clients have to wait for it

    /// A first process that has laid its mounts, or is about to, and waits for what it starts. It ends with this value, or with the
    /// agent, unless it was asked to start something.
    final class Waiting {
        let pid: pid_t
        let isolation: Isolation
        private let input: FileDescriptor
        private var isAsked = false

        fileprivate init(_ pid: pid_t, _ isolation: Isolation, _ input: consuming FileDescriptor) {
            (self.pid, self.isolation) = (pid, isolation)
            self.input = input
        }

        fileprivate func go() throws(MoveError) {
            var byte: UInt8 = 1
            guard write(input.number, &byte, 1) == 1 else {
                throw MoveError("the cell's first process has ended: \(SystemError.text(of: errno))")
            }
            isAsked = true
        }

        deinit {
            if isAsked { return }
            // A child that was not waited for: nobody else has its pid.
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }

    /// Starts a first process that waits; `nil` where what it needs is made by the start alone.
    func prepare(_ isolation: Isolation) throws(MoveError) -> Waiting? {
        guard [.chroot, .container].contains(isolation), !isRunning else { return nil }
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw MoveError("socketpair: \(SystemError.text(of: errno))")
        }
        let input = FileDescriptor(owning: ends[0])
        let own = FileDescriptor(owning: ends[1])
        var launch = firstProcess(isolation)
        launch.arguments += ["wait", isolation.rawValue].map { Array($0.utf8) }
        let output = try log()
        (launch.input, launch.output) = (input.number, output.number)
        return Waiting(try launch.start(), isolation, own)
    }

    /// Has one that waits start programs.
    func begin(_ wanted: State, by waiting: Waiting) throws(MoveError) {
        var now = wanted
        now.pid = waiting.pid
        now.start = ProcessDirectory(now.pid)?.status()?.startTicks ?? 0
        state = now
        try waiting.go()
    }

    /// Asks its programs to end, and kills what has not within some seconds.
    func end(within seconds: Double) {
        var now = state
        if !now.units.isEmpty {
            do throws(MoveError) { try SystemdUnits.stop(now.units, within: seconds) } catch {
                Diagnostics.say("\(folder): \(error)")
            }
            return
        }
        let process = Members.Process(pid: now.pid, parent: 0, start: now.start, program: 0)
        if now.pid > 0, Members.lives(process) {
            let ended = EndOfProcess(process.pid)
            Members.signal(process, SIGTERM)
            let limit = Clock.monotonic() + UInt64(seconds * 1e9)
            while Members.lives(process), Clock.monotonic() < limit { ended.wait(until: limit) }
            Members.signal(process, SIGKILL)
            while Members.lives(process) { usleep(5_000) }
        }
        if now.pid > 0 { waitpid(now.pid, nil, WNOHANG) }
        if now.isolation.isBundled { ContainerBundle.forget(self) }
        if let network = now.network {
            do throws(MoveError) { try network.end() } catch { Diagnostics.say("\(folder): \(error)") }
        }
        (now.pid, now.isWaiting) = (0, false)
        state = now
    }

    /// Of some ports those that none of its programs listens on.
    func missing(_ ports: [ServicePort]) -> [ServicePort] {
        let state = state
        // A machine has a kernel of its own, which reports when there is none missing.
        if state.isolation == .machine { return Machine(cell: self).has(.listening) ? [] : ports }
        return Listening.missing(ports, in: state.pid > 0 ? state.pid : getpid())
    }

    /// The last lines of what its programs said.
    var lastWords: String {
        let units = state.units
        if !units.isEmpty { return Printable.text(SystemdUnits.lastWords(units).utf8) }
        guard let bytes = (try? FileDescriptor.open(folder + "/log", O_RDONLY))?.bytes else { return "" }
        let lines = bytes.split(separator: UInt8(ascii: "\n")).suffix(4)
        return lines.map { Printable.text(Array($0)) }.joined(separator: "\n")
    }

    /// Makes what is not brought: folders, and small files.
    func furnish(_ folders: [MoveContents.Folder], _ files: [(path: [UInt8], text: [UInt8])])
        throws(MoveError)
    {
        var inside: RootFolder
        do throws(SystemError) { inside = try RootFolder(root) } catch {
            throw MoveError("\(root): \(error)")
        }
        do throws(TransferError) {
            for folder in folders {
                try inside.makeFolder(folder.path, user: folder.user, group: folder.group, mode: folder.mode)
            }
            for file in files { try inside.writeFile(file.path, file.text, mode: 0o644) }
        } catch { throw MoveError(error) }
    }
}
