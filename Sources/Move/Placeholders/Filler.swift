import CLinux
import Glibc
import Synchronization
public import SystemCalls
import Text
import Transfer

/// Fills placeholders: what a program is about to touch at once, everything else in the order of the list.
///
/// All content is written by one thread, in answer to an access; prefetching is reading, as any program does. So a file is
/// never filled while an access to it that was let through may still be changing what is filled.
public final class Filler: @unchecked Sendable {
    private struct Access {
        var message: KeeperMessage
        var descriptor: Int32
        /// Of which connection to the keeper.
        var epoch: Int
    }

    private struct Inode: Hashable { var device: UInt64, inode: UInt64 }

    /// How it reaches what it needs, and says what it does.
    public struct Means: Sendable {
        /// Starts a keeper in the store's folder.
        public var startKeeper: @Sendable () throws(SystemError) -> Void
        /// The process that holds the group as well, where there is one.
        public var holder: @Sendable () -> Int32?
        /// Whether programs run that could read a placeholder.
        public var isRunning: @Sendable () -> Bool
        /// Ends them: nothing else keeps them from reading zeros.
        public var endPrograms: @Sendable () -> Void
        /// Called once everything was fetched.
        public var complete: @Sendable () -> Void
        /// Takes a sentence for people.
        public var say: @Sendable (String) -> Void

        /// Makes them.
        public init(
            startKeeper: @escaping @Sendable () throws(SystemError) -> Void,
            holder: @escaping @Sendable () -> Int32?, isRunning: @escaping @Sendable () -> Bool,
            endPrograms: @escaping @Sendable () -> Void, complete: @escaping @Sendable () -> Void,
            say: @escaping @Sendable (String) -> Void
        ) {
            self.startKeeper = startKeeper
            self.holder = holder
            self.isRunning = isRunning
            self.endPrograms = endPrograms
            self.complete = complete
            self.say = say
        }
    }

    /// What is known of the placeholders.
    public let store: PlaceholderStore
    private let source: any BlockSource
    private let means: Means
    /// A folder on the filesystem of the files.
    private let place: FileDescriptor
    private let scratch: FileDescriptor
    // Of the filling thread alone.
    private var inodes: [Inode: Int] = [:]
    private var group: Int32 = -1
    private var keeper: Int32 = -1
    private var epoch = 0
    private var queue: [Access] = []
    /// Whether it also fetches what nobody has touched.
    let prefetches: Bool
    /// Whether it has begun to.
    private let isAhead = Mutex(false)
    private let isStopped = Mutex(false)
    /// Threads that have not ended yet.
    private let running = Mutex(0)

    /// Bytes that come at once when a program touches one of them, when this reads ahead, and in one request at most.
    private static let window: UInt64 = 256 << 10
    private static let prefetched: UInt64 = 1 << 20
    private static let mostUnits = (4 << 20) / Placeholder.unit

    /// - Parameter root: the folder of the files, or any other on their filesystem.
    public init(
        _ store: PlaceholderStore, from source: any BlockSource, root: String, prefetches: Bool = true,
        _ means: Means
    ) throws(SystemError) {
        self.prefetches = prefetches
        self.store = store
        self.source = source
        self.means = means
        place = try FileDescriptor.open(root, O_RDONLY | O_DIRECTORY)
        scratch = FileDescriptor(
            owning: try systemCall("memfd_create") { memfd_create("unit", UInt32(MFD_CLOEXEC)) })
    }

    // MARK: Its life

    /// Connects to the keeper, which is started where there is none, and begins. When this returns no program can read what
    /// is not there.
    ///
    /// - Parameter group: the group in which the files are marked, where this process has made them.
    public func start(_ group: consuming FileDescriptor?) throws(SystemError) {
        if let group { self.group = group.release() }
        lookUp()
        try connect()
        running.withLock { $0 = prefetches ? 2 : 1 }
        try DetachedThread.start { [self] in
            while !isStopped.withLock({ $0 }) { turn() }
            leave()
            running.withLock { $0 -= 1 }
        }
        guard prefetches else { return }
        try DetachedThread.start { [self] in
            prefetch()
            running.withLock { $0 -= 1 }
        }
    }

    /// Ends it, and the keeper: what is not filled can be read as zeros from now on, so that nothing may be left that does.
    public func stop() {
        isStopped.withLock { $0 = true }
        while running.withLock({ $0 > 0 }) { usleep(2_000) }
    }

    /// From now on everything is fetched: until then the link and the disk are the programs' that are being started.
    public func goAhead() { isAhead.withLock { $0 = true } }

    private func leave() {
        if keeper >= 0 {
            _ = try? KeeperMessage(.end).send(over: keeper)
            close(keeper)
        }
        if group >= 0 { close(group) }
        (keeper, group) = (-1, -1)
        for access in queue { close(access.descriptor) }
        queue = []
    }

    /// Finds each file's inode; one that is deleted needs nothing any more.
    private func lookUp() {
        for (index, placeholder) in store.placeholders.enumerated() {
            do throws(SystemError) {
                let file = try AccessGroup.open(placeholder.handle, on: place.number, O_PATH)
                var status = stat()
                let number = file.number
                _ = try systemCall("fstat") { fstat(number, &status) }
                inodes[Inode(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))] = index
            } catch {
                if error.code == ESTALE { try? store.fill(index, 0..<placeholder.units) }
            }
        }
    }

    private func connect() throws(SystemError) {
        let link: KeeperLink
        do throws(SystemError) { link = try KeeperLink(store.folder) } catch {
            guard error.code == ECONNREFUSED || error.code == ENOENT else { throw error }
            try adoptOrMakeGroup()
            // Nobody answers any more what a keeper that died has read.
            for number in 0..<Keeper.mostDescriptors { Keeper.answer(group, number, EIO) }
            try means.startKeeper()
            link = try waitForKeeper()
        }
        if let kept = try link.ask(.fill) {
            if group >= 0 { close(group) }
            group = kept.release()
        } else {
            try adoptOrMakeGroup()
            guard try KeeperMessage(.adopt).send(over: link.socket.number, group), try link.ask(.fill) != nil
            else {
                throw SystemError("sendmsg", code: EPROTO)
            }
        }
        let number = fcntl(link.socket.number, F_DUPFD_CLOEXEC, 0)
        guard number >= 0 else { throw SystemError("fcntl") }
        keeper = number
        epoch += 1
    }

    private func waitForKeeper() throws(SystemError) -> KeeperLink {
        let limit = Clock.monotonic() + 10_000_000_000
        while true {
            do throws(SystemError) { return try KeeperLink(store.folder) } catch {
                guard Clock.monotonic() < limit else { throw error }
                usleep(2_000)
            }
        }
    }

    /// The group of a holder that lives; a new one, with all files marked anew, only where no program runs that has been
    /// reading meanwhile.
    private func adoptOrMakeGroup() throws(SystemError) {
        guard group < 0 else { return }
        if let holder = means.holder(), let taken = AccessGroup.taken(from: holder) {
            group = taken.release()
            return
        }
        if means.isRunning() {
            means.say("nobody has kept the files that are not complete: the programs are ended")
            means.endPrograms()
        }
        let made = try AccessGroup.make()
        for (index, placeholder) in store.placeholders.enumerated() where store.firstMissing(index) != nil {
            let file: FileDescriptor
            do throws(SystemError) {
                file = try AccessGroup.open(placeholder.handle, on: place.number, O_RDONLY)
            } catch {
                if error.code == ESTALE { continue }
                throw error
            }
            try AccessGroup.mark(made.number, file.number)
        }
        group = made.release()
    }

    // MARK: Filling

    /// Takes in what the keeper says, and does one access.
    private func turn() {
        if keeper < 0 {
            // What is known is answered before anybody else reads the group: numbers are given again.
            guard queue.isEmpty else { return work() }
            do throws(SystemError) { try connect() } catch {
                means.say("no keeper: \(error)")
                usleep(500_000)
            }
            return
        }
        var waiting = pollfd(fd: keeper, events: Int16(POLLIN), revents: 0)
        if poll(&waiting, 1, queue.isEmpty ? 100 : 0) > 0 { receive() }
        work()
    }

    private func receive() {
        do throws(SystemError) {
            while let (message, descriptor) = try KeeperMessage.receive(from: keeper) {
                guard message.kind == .access, descriptor >= 0 else {
                    if descriptor >= 0 { close(descriptor) }
                    continue
                }
                queue.append(Access(message: message, descriptor: descriptor, epoch: epoch))
            }
        } catch {
            close(keeper)
            keeper = -1
        }
    }

    private func work() {
        guard !queue.isEmpty else { return }
        let own = getpid()
        // Programs before what is fetched ahead of them.
        let next = queue.firstIndex { $0.message.pid != own } ?? 0
        let access = queue.remove(at: next)
        let code: Int32?
        do throws(TransferError) { code = try handle(access) } catch {
            switch error {
            // Without a keeper nobody else would ever answer.
            case .closed: code = keeper < 0 ? EIO : nil
            default:
                means.say("\(error)")
                code = EIO
            }
        }
        guard let code else {
            // The source is out of reach: the program waits until that is back, or the keeper's patience ends.
            queue.append(access)
            usleep(20_000)
            return
        }
        answer(access, code)
    }

    private func answer(_ access: Access, _ code: Int32) {
        defer { close(access.descriptor) }
        guard keeper >= 0, access.epoch == epoch else {
            Keeper.answer(group, access.message.number, code)
            return
        }
        var message = KeeperMessage(.answer)
        (message.serial, message.code) = (access.message.serial, code)
        while (try? message.send(over: keeper)) == false { usleep(1_000) }
    }

    /// What the program that waits is to be answered.
    private func handle(_ access: Access) throws(TransferError) -> Int32 {
        while true {
            var status = stat()
            guard fstat(access.descriptor, &status) == 0,
                let index = inodes[Inode(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))]
            else { return EIO }
            let placeholder = store.placeholders[index]
            guard store.firstMissing(index) != nil else { return 0 }
            do {
                guard try fill(index, placeholder, status, access) else { continue }
            } catch let error as SystemError {
                means.say("\(error) while \(Printable.text(placeholder.path)) is filled")
                return [ENOSPC, EDQUOT].contains(error.code) ? error.code : EIO
            } catch let error as TransferError {
                throw error
            } catch { return EIO }
            if store.firstMissing(index) == nil { finish(access.descriptor) }
            return 0
        }
    }

    /// Fills what an access needs.
    ///
    /// - Returns: false if the file became shorter meanwhile.
    private func fill(_ index: Int, _ placeholder: Placeholder, _ status: stat, _ access: Access) throws
        -> Bool
    {
        let unit = UInt64(Placeholder.unit)
        let size = UInt64(max(status.st_size, 0))
        let limit = min(size, placeholder.size)
        var ranges: [Range<Int>] = []
        if size < placeholder.size {
            // A program has cut it off: what was behind is gone, and does not come back if the file grows again.
            try store.fill(index, Int((size + unit - 1) / unit)..<placeholder.units)
            if size % unit != 0 { ranges.append(Int(size / unit)..<Int(size / unit) + 1) }
        }
        let message = access.message
        let start = min(message.offset, limit)
        let end = message.length == 0 ? limit : min(start + min(message.length, limit - start), limit)
        if end > start {
            let window = message.pid == getpid() ? Self.prefetched : Self.window
            let upper = min((end + window - 1) / window * window, limit)
            ranges.append(Int(start / window * window / unit)..<Int((upper + unit - 1) / unit))
        }
        for range in ranges {
            var next = range.lowerBound
            while next < range.upperBound {
                guard !store.isFilled(index, next) else {
                    next += 1
                    continue
                }
                var last = next + 1
                while last < range.upperBound, last - next < Self.mostUnits, !store.isFilled(index, last) {
                    last += 1
                }
                let units = try source.fetch(placeholder, next..<last, missing: store.missing)
                guard units.count == last - next else {
                    throw TransferError.malformed("another number of units")
                }
                guard try write(units, at: next, of: placeholder, to: access.descriptor, limit, status) else {
                    return false
                }
                try store.fill(index, next..<last)
                next = last
            }
        }
        return true
    }

    /// Writes units and has them on the disk; false if the file became shorter meanwhile.
    ///
    /// Through a mapping, since that cannot make a file longer that a program is just cutting off; and from a file into the
    /// mapping, so that a page that is gone is an error (EFAULT) and not a signal.
    private func write(
        _ units: [[UInt8]?], at first: Int, of placeholder: Placeholder, to file: Int32, _ limit: UInt64,
        _ before: stat
    ) throws -> Bool {
        guard units.contains(where: { $0 != nil }) else { return true }
        let start = UInt64(first) * UInt64(Placeholder.unit)
        let length = Int(min(UInt64(units.count) * UInt64(Placeholder.unit), limit - start))
        guard let place = clinux_map_shared(file, start, length) else { throw SystemError("mmap") }
        defer { munmap(place, length) }
        for (position, bytes) in units.enumerated() {
            guard let bytes else { continue }
            guard bytes.count == PlaceholderStore.length(first + position, placeholder.size) else {
                throw TransferError.malformed("a unit of another size")
            }
            let offset = position * Placeholder.unit
            let count = min(bytes.count, length - offset)
            var done = 0
            guard pwrite(scratch.number, bytes, count, 0) == count else { throw SystemError("pwrite") }
            while done < count {
                let part = pread(scratch.number, place + offset + done, count - done, off_t(done))
                if part < 0 && errno == EINTR { continue }
                if part > 0 {
                    done += part
                    continue
                }
                let code = part == 0 ? EIO : errno
                var now = stat()
                guard fstat(file, &now) == 0 else { throw SystemError("fstat") }
                if now.st_size < before.st_size { return false }
                throw SystemError("pread", code: code == EFAULT ? ENOSPC : code)
            }
        }
        _ = try systemCall("fdatasync") { fdatasync(file) }
        // That it is filled is no change of the file.
        var times = [timespec(tv_sec: 0, tv_nsec: Int(clinux_UTIME_OMIT)), before.st_mtim]
        _ = try systemCall("futimens") { futimens(file, &times) }
        return true
    }

    private func finish(_ file: Int32) {
        AccessGroup.unmark(group, file)
        fremovexattr(file, AccessGroup.attribute)
    }

    // MARK: Ahead of the programs

    private func prefetch() {
        var byte: UInt8 = 0
        while !isAhead.withLock({ $0 }) {
            if isStopped.withLock({ $0 }) { return }
            usleep(5_000)
        }
        while !isStopped.withLock({ $0 }), store.missing > 0 {
            for index in store.placeholders.indices {
                while let unit = store.firstMissing(index) {
                    if isStopped.withLock({ $0 }) { return }
                    do throws(SystemError) {
                        let file = try AccessGroup.open(
                            store.placeholders[index].handle, on: place.number, O_RDONLY | O_NONBLOCK)
                        let number = file.number
                        _ = try systemCall("pread") {
                            pread(number, &byte, 1, off_t(unit) * off_t(Placeholder.unit))
                        }
                    } catch {
                        if error.code == ESTALE {
                            try? store.fill(index, 0..<store.placeholders[index].units)
                        }
                    }
                    // The source is out of reach, or the file was cut off.
                    if store.firstMissing(index) == unit { usleep(200_000) }
                }
            }
        }
        guard !isStopped.withLock({ $0 }) else { return }
        for placeholder in store.placeholders {
            if let file = try? AccessGroup.open(placeholder.handle, on: place.number, O_RDONLY) {
                finish(file.number)
            }
        }
        means.complete()
    }
}
