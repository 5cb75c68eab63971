import CLinux
import Glibc
import Procfs
import SystemCalls
import Transfer

/// Memory that is fetched, in the cell's first process: between `criu lazy-pages`, which fills the processes' memory by userfaultfd(2),
/// and this host's agent, which asks the source.
///
/// The agent may die and come back: what was not answered is asked again. If criu ends too early the processes must not go on, since the
/// kernel gives them zeros where nobody fills memory any more: this process has a duplicate of each descriptor by then, so that they
/// wait, and ends with them all.
final class PageRelay: @unchecked Sendable {
    /// Where the agent connects.
    static func path(_ cell: Cell) -> String { cell.folder + "/memory.sock" }
    /// Made when all memory is there.
    static func done(_ cell: Cell) -> String { cell.folder + "/memory.done" }

    private let cell: Cell
    /// Seconds that processes wait for a source that does not answer; then they end.
    private let patience: UInt64
    private let listener: Int32
    /// This process's end of criu's page server.
    private let criu: Int32
    let daemon: pid_t
    private var held: Set<Int32> = []
    private var known: Set<Int32> = []

    /// Starts criu, which waits for whoever restores.
    ///
    /// - Parameters:
    ///   - images: the folder of the images as criu sees it.
    ///   - there: the same as this process does.
    ///   - patience: seconds that processes wait for a source that does not answer.
    init(
        _ cell: Cell, _ words: (_ more: [String]) -> [String], images: String, there: String, patience: UInt64
    ) throws(MoveError) {
        (self.cell, self.patience) = (cell, patience)
        unlink(Self.done(cell))
        unlink(Self.path(cell))
        unlink(there + "/lazy-pages.socket")
        listener = try Self.listen(Self.path(cell))
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0
        else { throw MoveError("socketpair: \(SystemError.text(of: errno))") }
        criu = pair[0]
        defer { close(pair[1]) }
        var launch = Launch(
            words([
                "lazy-pages", "-D", images, "--page-server", "--ps-socket", "0", "-o", images + "/lazy.log",
                "-v1",
            ]))
        launch.root = cell.root
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        (launch.input, launch.output) = (pair[1], null)
        daemon = try launch.start()
        let limit = Clock.monotonic() + 20_000_000_000
        while access(there + "/lazy-pages.socket", F_OK) != 0 {
            guard waitpid(daemon, nil, WNOHANG) == 0, Clock.monotonic() < limit else {
                throw MoveError("criu fetches no memory: \(Criu.errors(there + "/lazy.log"))")
            }
            usleep(1_000)
        }
        do throws(SystemError) { try DetachedThread.start { self.relay() } } catch {
            throw MoveError("\(error)")
        }
    }

    private static func listen(_ path: String) throws(MoveError) -> Int32 {
        guard var address = CommandSocket.address(path) else { throw MoveError("\(path): too long a path") }
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard isBound, chmod(path, 0o600) == 0, Glibc.listen(number, 4) == 0 else {
            throw MoveError("\(path): \(SystemError.text(of: errno))")
        }
        return number
    }

    /// The agent's end of a connection to it; `nil` where nobody listens.
    static func connect(to cell: Cell) -> FileDescriptor? {
        guard var address = CommandSocket.address(path(cell)) else { return nil }
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return nil }
        let made = FileDescriptor(owning: number)
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        if isConnected { return made }
        return nil
    }

    /// Holds each userfaultfd that criu has: called when all is restored, and from time to time, since children of the processes that
    /// are made later have their own.
    func hold() {
        let handle = Int32(truncatingIfNeeded: clinux_pidfd_open(daemon))
        guard handle >= 0 else { return }
        defer { close(handle) }
        // /proc of this process is the host's still.
        ProcessDirectory(daemon, in: cell.root + "/proc")?.descriptors { number, target in
            guard target.elementsEqual("anon_inode:[userfaultfd]".utf8), known.insert(number).inserted else {
                return
            }
            let copy = Int32(truncatingIfNeeded: clinux_pidfd_getfd(handle, number))
            if copy >= 0 { held.insert(copy) }
        }
    }

    /// Criu has ended: with all memory there, or too early; then nothing of the cell goes on.
    func end(_ status: Int32) -> Bool {
        guard status == 0 else { return false }
        let mark = open(Self.done(cell), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if mark >= 0 { close(mark) }
        for copy in held { close(copy) }
        held = []
        unlink(Self.path(cell))
        return mark >= 0
    }

    // MARK: Its thread

    private func relay() {
        var agent: Int32 = -1
        while let question = Self.read(criu, PagesWanted.size) {
            guard let wanted = try? PagesWanted(question) else { break }
            var answer: [UInt8]?
            // From when nobody answers this question, whoever has connected meanwhile: a source that comes back and has not the
            // pages would keep the processes waiting for ever.
            var limit: UInt64?
            repeat {
                if agent < 0 {
                    let end = limit ?? Clock.monotonic() + patience * 1_000_000_000
                    limit = end
                    guard let connected = Self.accept(listener, until: end) else {
                        CellInit.say("its memory has not come for \(patience) s: the programs end")
                        CellInit.silence(cell)
                        exit(1)
                    }
                    agent = connected
                }
                answer = ask(agent, wanted)
                if answer == nil {
                    close(agent)
                    agent = -1
                }
            } while answer == nil
            guard Self.write(criu, answer!) else { break }
        }
        if agent >= 0 { close(agent) }
        // Whoever comes now has nothing to be asked; that criu has ended shows by its status.
        close(listener)
        shutdown(criu, Int32(SHUT_RDWR))
    }

    /// Whoever connects to a listener; `nil` where nobody does until a time of the monotonic clock.
    static func accept(_ listener: Int32, until limit: UInt64) -> Int32? {
        while true {
            let now = Clock.monotonic()
            var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            let rest = now < limit ? min((limit - now) / 1_000_000 + 1, UInt64(Int32.max)) : 0
            let count = poll(&waiting, 1, Int32(rest))
            if count < 0 && errno == EINTR { continue }
            guard count == 1 else { return nil }
            let agent = Glibc.accept(listener, nil, nil)
            if agent >= 0 {
                _ = fcntl(agent, F_SETFD, FD_CLOEXEC)
                return agent
            }
            guard Clock.monotonic() < limit else { return nil }
        }
    }

    private func ask(_ agent: Int32, _ wanted: PagesWanted) -> [UInt8]? {
        guard Self.write(agent, wanted.question), let head = Self.read(agent, PagesWanted.size),
            let count = try? wanted.length(behind: head), let pages = Self.read(agent, count)
        else { return nil }
        return head + pages
    }

    /// So many bytes; `nil` at the end of the connection.
    static func read(_ number: Int32, _ count: Int) -> [UInt8]? {
        var done = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while done < count {
                let got = Glibc.read(number, buffer.baseAddress! + done, count - done)
                if got < 0 && errno == EINTR { continue }
                guard got > 0 else { break }
                done += got
            }
            filled = done
        }
        return done == count ? bytes : nil
    }

    static func write(_ number: Int32, _ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes {
                send(number, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            if put < 0 && errno == EINTR { continue }
            guard put > 0 else { return false }
            done += put
        }
        return true
    }
}
