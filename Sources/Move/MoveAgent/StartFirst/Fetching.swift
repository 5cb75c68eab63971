import CLinux
import Glibc
import Placeholders
import Synchronization
import SystemCalls
import Transfer
import Transport

/// A cell's files that are fetched when they are touched: from the first placeholder until the last byte is here.
final class Fetching: @unchecked Sendable {
    let cell: Cell
    let units: RemoteUnits
    private let patience: UInt64
    private var made: [Placeholder] = []
    /// In which they are marked, until the filler takes it over; -1 for none.
    private var group: Int32 = -1
    private var filler: Filler?
    private let isComplete = Mutex(false)
    private let keepers = Mutex<[pid_t]>([])

    private static func folder(_ cell: Cell) -> String { cell.folder + "/fetch" }
    private var folder: String { Self.folder(cell) }

    /// Whether files of a cell are not complete.
    static func isPending(_ cell: Cell) -> Bool { PlaceholderStore.isThere(folder(cell)) }

    /// - Parameter patience: seconds that a program waits for bytes before it gets EIO.
    private init(_ cell: Cell, patience: UInt64) {
        self.cell = cell
        self.patience = patience
        units = RemoteUnits(before: Self.folder(cell) + "/before")
    }

    // MARK: Its life

    /// Begins: placeholders are about to be made.
    static func begin(_ cell: Cell, patience: UInt64) throws(SystemError) -> Fetching {
        discard(cell)
        let fetching = Fetching(cell, patience: patience)
        fetching.group = try AccessGroup.make().release()
        for path in [fetching.folder, fetching.folder + "/before"] {
            _ = try systemCall("mkdir") { mkdir(path, 0o700) }
        }
        return fetching
    }

    /// Whether the programs may be started on what was made.
    var isSealed: Bool { filler != nil }

    /// What the receiver does about placeholders.
    var placeholders: FileReceiver.Placeholders {
        FileReceiver.Placeholders(
            keep: { [self] (number: UInt32, file: Int32) throws(SystemError) in
                // From one folder of the cell to another; where that is another filesystem, all is fetched.
                linkat(
                    AT_FDCWD, "/proc/self/fd/\(file)", AT_FDCWD, "\(folder)/before/\(number)",
                    AT_SYMLINK_FOLLOW)
            },
            made: { [self] (number: UInt32, entry: FileEntry, file: Int32) throws(SystemError) in
                let handle = try AccessGroup.handle(of: file)
                // So that a file that is not complete can be distinguished from one that is, whatever became of the rest.
                _ = try systemCall("fsetxattr") { fsetxattr(file, AccessGroup.attribute, "1", 1, 0) }
                try AccessGroup.mark(group, file)
                made.append(Placeholder(number: number, path: entry.path, size: entry.size, handle: handle))
            })
    }

    /// After the last one was made, before any program is started.
    ///
    /// - Parameter first: numbers of those that are fetched before the others.
    func seal(_ first: [UInt32]) throws(MoveError) {
        let place = Dictionary(zip(first, first.indices)) { first, _ in first }
        made.sort { (place[$0.number] ?? .max, $0.number) < (place[$1.number] ?? .max, $1.number) }
        do throws(TransferError) { try PlaceholderStore.make(made, in: folder) } catch {
            throw MoveError(error)
        }
        try start()
    }

    /// What an agent that is gone has left; programs may be running, and waiting.
    static func resume(_ cell: Cell, patience: UInt64) throws(MoveError) -> Fetching {
        let fetching = Fetching(cell, patience: patience)
        try fetching.start()
        return fetching
    }

    private func start() throws(MoveError) {
        let store: PlaceholderStore
        do throws(TransferError) { store = try PlaceholderStore(folder) } catch { throw MoveError(error) }
        let cell = cell
        let means = Filler.Means(
            startKeeper: { [self] () throws(SystemError) in try startKeeper() },
            holder: { cell.isRunning ? cell.state.pid : nil }, isRunning: { cell.isRunning },
            endPrograms: { cell.end(within: 0) },
            complete: { [self] in isComplete.withLock { $0 = true } },
            say: { Diagnostics.say("\(cell.folder.split(separator: "/").last ?? ""): \($0)") })
        do throws(SystemError) {
            let made = try Filler(store, from: units, root: cell.root, means)
            let own = group
            group = -1
            try made.start(own >= 0 ? FileDescriptor(owning: own) : nil)
            filler = made
        } catch { throw MoveError("files that are fetched later: \(error)") }
    }

    private func startKeeper() throws(SystemError) {
        var launch = Launch(["/proc/self/exe", "keep", folder, String(patience)])
        let log = FileDescriptor(
            owning: try systemCall("open") {
                open(folder + "/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
            })
        let null = try FileDescriptor.open("/dev/null", O_RDONLY)
        launch.input = null.number
        launch.output = log.number
        do throws(MoveError) {
            let pid = try launch.start()
            keepers.withLock { $0.append(pid) }
        } catch { throw SystemError("execve", code: ENOEXEC) }
    }

    /// Each second. Takes in keepers that have ended, and tidies up once everything is here.
    ///
    /// - Returns: whether everything is.
    func watch() -> Bool {
        keepers.withLock { $0.removeAll { waitpid($0, nil, WNOHANG) != 0 } }
        guard isComplete.withLock({ $0 }) else { return false }
        end()
        Self.discard(cell)
        return true
    }

    private func end() {
        units.leave()
        filler?.stop()
        filler = nil
        if group >= 0 { close(group) }
        group = -1
        keepers.withLock { pids in
            for pid in pids { waitpid(pid, nil, 0) }
            pids = []
        }
    }

    /// Gives everything up that is not complete: the files too, which would be read as zeros. No program runs any more.
    func abandon() {
        Self.removeFiles(made.isEmpty ? (try? PlaceholderStore(folder).placeholders) ?? [] : made, cell)
        end()
        Self.discard(cell)
    }

    /// The same for what an agent that is gone has left.
    static func abandon(_ cell: Cell) {
        if let store = try? PlaceholderStore(folder(cell)) {
            removeFiles(store.placeholders, cell)
            try? KeeperLink.end(folder(cell))
        }
        discard(cell)
    }

    private static func removeFiles(_ placeholders: [Placeholder], _ cell: Cell) {
        guard var root = try? RootFolder(cell.root) else { return }
        for placeholder in placeholders { try? root.removeFile(placeholder.path) }
    }

    private static func discard(_ cell: Cell) {
        // The list first: without it nothing counts as missing.
        unlink(folder(cell) + "/index")
        guard var root = try? RootFolder(cell.folder) else { return }
        try? root.removeFile(Array("/fetch".utf8))
    }

    /// Clients were let in: what nobody has touched is fetched too.
    func goAhead() { filler?.goAhead() }

    /// Bytes that are to be fetched.
    var missing: UInt64 {
        filler?.store.missing ?? made.reduce(0) { $0 + $1.size }
    }
}
