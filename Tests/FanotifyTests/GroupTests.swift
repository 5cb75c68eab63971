import CLinux
import Fanotify
import Foundation
import SystemCalls
import TestSupport
import Testing

/// Against the real kernel, on a filesystem of the test's own.
@Suite(.serialized, .privileged)
struct GroupTests {
    /// A copy of one event that no longer needs its buffer.
    private struct Happening: Equatable {
        var mask: FanotifyMask
        var pid: Int32
        var directory: [UInt8]
        var name: String
        var target: [UInt8]
        var newDirectory: [UInt8]
        var newName: String
    }

    private let scratch: ScratchFilesystem
    private var path: String { scratch.path }

    init() throws { scratch = try ScratchFilesystem(.tmpfs) }

    /// What waits, without events of other processes (an indexer of the host, say).
    private func take(_ group: borrowing FanotifyGroup, pid: Int32 = getpid()) throws -> [Happening] {
        var buffer: [UInt8] = [0xaa, 0xbb]
        while let range = try group.read(appendingTo: &buffer) {
            #expect(range.upperBound == buffer.count)
        }
        #expect(buffer.starts(with: [0xaa, 0xbb]))
        return try events(buffer, from: 2).filter { $0.pid == pid }.map { event in
            #expect(event.descriptor == -1)
            return Happening(
                mask: event.mask, pid: event.pid, directory: Array(buffer[event.directory]),
                name: buffer.text(event.name), target: Array(buffer[event.target]),
                newDirectory: Array(buffer[event.newDirectory]), newName: buffer.text(event.newName))
        }
    }

    /// fsid and handle of a path, as name_to_handle_at(2) and statfs(2) tell them.
    private func identity(_ path: String) throws -> [UInt8] {
        var handle = [UInt8](repeating: 0, count: 8 + 128)
        handle[0] = 128
        var mount: Int32 = 0
        let result = handle.withUnsafeMutableBytes {
            clinux_name_to_handle_at(AT_FDCWD, path, $0.baseAddress!, &mount, 0)
        }
        try #require(result == 0)
        var status = statfs()
        try #require(statfs(path, &status) == 0)
        let fsid = withUnsafeBytes(of: &status.f_fsid) { Array($0) }
        return fsid + handle.prefix(8 + Int(handle[0]))
    }

    private func marked(_ mode: FanotifyGroup.Mode = .fileHandle) throws -> FanotifyGroup {
        let group = try FanotifyGroup(mode)
        try group.mark(filesystemAt: Array(path.utf8) + [0])
        return group
    }

    private func path(of file: borrowing FileDescriptor) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(file.number)")
    }

    private func touch(_ path: String, _ flags: Int32 = O_WRONLY | O_CREAT) throws {
        _ = try FileDescriptor.open(path, flags, mode: 0o600)
    }

    @Test func groupClosesOnExecAndDoesNotBlock() throws {
        let group = try marked()
        #expect(fcntl(group.number, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(group.number, F_GETFL) & O_NONBLOCK != 0)
        #expect(try take(group) == [])
        var buffer: [UInt8] = [7]
        #expect(try group.read(appendingTo: &buffer) == nil)
        #expect(buffer == [7])
    }

    @Test func twentyThreeFilesOpened() throws {
        for number in 0..<23 { try touch("\(path)/f\(number)") }
        let group = try marked()
        for number in 0..<23 { try touch("\(path)/f\(number)", O_RDONLY) }
        let happenings = try take(group)
        #expect(happenings.map(\.name) == (0..<23).map { "f\($0)" })
        #expect(happenings.allSatisfy { $0.mask == .open })
        let root = try identity(path)
        #expect(happenings.allSatisfy { $0.directory == root })
        for (number, happening) in happenings.enumerated() {
            #expect(happening.target == (try identity("\(path)/f\(number)")))
        }
        #expect(try take(group).allSatisfy { $0.mask.contains(.directory) })
    }

    @Test func twentyThreeFilesCreatedAndRenamed() throws {
        let group = try marked()
        for number in 0..<23 { try touch("\(path)/f\(number)") }
        let created = try take(group)
        #expect(created.count == 23)
        // The kernel merges what one process did to one name.
        #expect(created.allSatisfy { $0.mask == [.create, .open, .closeWrite] })
        for number in 0..<23 { #expect(rename("\(path)/f\(number)", "\(path)/g\(number)") == 0) }
        let renamed = try take(group)
        #expect(renamed.count == 23)
        #expect(renamed.allSatisfy { $0.mask == .rename })
        #expect(renamed.map(\.name) == (0..<23).map { "f\($0)" })
        #expect(renamed.map(\.newName) == (0..<23).map { "g\($0)" })
        #expect(renamed.map(\.target) == created.map(\.target))
        let root = try identity(path)
        #expect(renamed.allSatisfy { $0.directory == root && $0.newDirectory == root })
    }

    /// A path is followed by handles alone: mkdir, an open below, the directory's rename, an open below.
    @Test func directoriesKeepTheirHandle() throws {
        let group = try marked()
        #expect(mkdir("\(path)/old", 0o700) == 0)
        try touch("\(path)/old/a")
        #expect(mkdir("\(path)/other", 0o700) == 0)
        #expect(rename("\(path)/old", "\(path)/other/new") == 0)
        try touch("\(path)/other/new/b")
        let found = try take(group)
        let masks: [FanotifyMask] = [
            [.create, .directory], [.create, .open, .closeWrite], [.create, .directory],
            [.rename, .directory], [.create, .open, .closeWrite],
        ]
        #expect(found.map(\.mask) == masks)
        try #require(found.count == 5)
        let root = try identity(path)
        #expect(found[0].directory == root)
        #expect(found[0].name == "old")
        #expect(found[1].directory == found[0].target)
        #expect(found[1].name == "a")
        #expect(found[3].name == "old")
        #expect(found[3].newDirectory == found[2].target)
        #expect(found[3].newName == "new")
        #expect(found[3].target == found[0].target)
        #expect(found[4].directory == found[0].target)
        #expect(found[0].target == (try identity("\(path)/other/new")))
    }

    @Test func listingADirectoryIsAnOpenOfItself() throws {
        let group = try marked()
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == [])
        let found = try take(group)
        #expect(found.map(\.mask) == [[.open, .directory]])
        #expect(found.first?.name == ".")
        #expect(found.first?.directory == (try identity(path)))
    }

    @Test func aChildsExecNamesTheChild() throws {
        try FileManager.default.copyItem(atPath: "/bin/true", toPath: "\(path)/tool")
        let group = try marked()
        let child = try Child(["\(path)/tool"])
        #expect(try child.wait() == .exited(0))
        let found = try take(group, pid: child.pid)
        #expect(found.filter { $0.mask.contains(.openExec) }.map(\.name) == ["tool"])
    }

    @Test func handlesOpenWhatTheyName() throws {
        let group = try marked()
        try touch("\(path)/a")
        var target = try #require(try take(group).first?.target)
        let root = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY)
        // From the ninth byte on, as the documentation of the event says.
        let opened = target.withUnsafeMutableBytes {
            clinux_open_by_handle_at(root.number, $0.baseAddress! + 8, O_PATH | O_CLOEXEC)
        }
        try #require(opened >= 0)
        let file = FileDescriptor(owning: opened)
        #expect(try path(of: file) == "\(path)/a")
    }

    @Test func descriptorModeHandsOverDescriptors() throws {
        let group = try marked(.descriptor)
        for number in 0..<23 { try touch("\(path)/f\(number)") }
        #expect(mkdir("\(path)/d", 0o700) == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(path)/d") == [])
        var buffer: [UInt8] = []
        while try group.read(appendingTo: &buffer) != nil {}
        var names: [String] = []
        var masks: [FanotifyMask] = []
        for event in try events(buffer) {
            let file = FileDescriptor(owning: event.descriptor)
            #expect(fcntl(file.number, F_GETFD) & FD_CLOEXEC != 0)
            #expect(event.pid == getpid())
            #expect(event.directory.isEmpty && event.name.isEmpty && event.target.isEmpty)
            names.append(try path(of: file))
            masks.append(event.mask)
        }
        #expect(names == (0..<23).map { "\(path)/f\($0)" } + ["\(path)/d"])
        // The kernel says `directory` only where objects are named by handle.
        #expect(masks == Array(repeating: [.open, .closeWrite], count: 23) + [.open])
    }

    @Test(arguments: [FanotifyGroup.Mode.fileHandle, .descriptor])
    func aMarkDoesNotKeepTheFilesystemBusy(mode: FanotifyGroup.Mode) throws {
        let group = try marked(mode)
        try touch("\(path)/a")
        var buffer: [UInt8] = []
        _ = try group.read(appendingTo: &buffer)
        for event in try events(buffer) where event.descriptor >= 0 { close(event.descriptor) }
        // Without force: it throws if anybody still uses the filesystem.
        try scratch.unmount()
        #expect(!(try MountLine.all().contains { $0.point == path }))
        // The folder below belongs to another filesystem, which is not marked.
        try touch("\(path)/b")
        #expect(try take(group) == [])
    }

    @Test func twoGroupsAreIndependent() throws {
        let first = try marked()
        try touch("\(path)/a")
        let second = try marked()
        try touch("\(path)/b")
        #expect(try take(first).map(\.name) == ["a", "b"])
        #expect(try take(second).map(\.name) == ["b"])
    }

    /// With the limit, the 16,385th event is the news that events were lost.
    @Test func aLimitedQueueTellsThatItOverflowed() throws {
        let limit = try String(contentsOfFile: "/proc/sys/fs/fanotify/max_queued_events", encoding: .utf8)
        let count = try #require(Int(limit.split(separator: "\n").first ?? ""))
        try #require(count <= 1 << 17)
        let limited = try FanotifyGroup(.fileHandle, unlimitedQueue: false)
        try limited.mark(filesystemAt: Array(path.utf8) + [0])
        let unlimited = try marked()
        for number in 0..<count + 23 { try touch("\(path)/\(number)", O_RDONLY | O_CREAT) }
        // Whoever else looks at the filesystem takes room in the queue too.
        let all = try takeAll(limited).map(\.mask)
        #expect(all.filter { $0.contains(.overflow) }.count == 1)
        #expect(all.last == .overflow)
        #expect(all.count == count + 1)
        let whole = try takeAll(unlimited)
        #expect(whole.filter { $0.pid == getpid() }.count == count + 23)
        #expect(!whole.contains { $0.mask.contains(.overflow) })
    }

    private func takeAll(_ group: borrowing FanotifyGroup) throws -> [FanotifyEvent] {
        var buffer: [UInt8] = []
        while try group.read(appendingTo: &buffer, chunk: 1 << 20) != nil {}
        return try events(buffer)
    }

    @Test func refusalsAreNamed() throws {
        let group = try FanotifyGroup(.fileHandle)
        #expect(throws: SystemError("fanotify_mark", code: ENOENT)) {
            try group.mark(filesystemAt: Array("\(path)/nothing".utf8) + [0])
        }
        // procfs has no file handles.
        #expect(throws: SystemError.self) { try group.mark(filesystemAt: Array("/proc".utf8) + [0]) }
        // A buffer in which no event fits.
        try group.mark(filesystemAt: Array(path.utf8) + [0])
        try touch("\(path)/a")
        var buffer: [UInt8] = [1]
        #expect(throws: SystemError("read", code: EINVAL)) { try group.read(appendingTo: &buffer, chunk: 24) }
        #expect(buffer == [1])
        #expect(try take(group).map(\.name) == ["a"])
    }

    @Test func dropsWhatComesNextAndSaysSo() throws {
        let group = try marked()
        let long = String(repeating: "n", count: 200)
        for number in 100..<300 { try touch("\(path)/\(number)\(long)") }
        #expect(try group.waitingEvents() == 200)
        var buffer: [UInt8] = [1, 2]
        let range = try #require(try group.drop(1, appendingTo: &buffer))
        #expect(buffer.count == 26 && range == 2..<26)
        let found = try events(buffer, from: 2)
        #expect(found.map(\.mask) == [.overflow] && found.map(\.pid) == [0])
        #expect(found.map(\.descriptor) == [-1])
        // A page of such events is dropped and no more, the first of the queue.
        let rest = try take(group)
        #expect(rest.count >= 200 - 4096 / 200 && rest.count < 200)
        #expect(rest.map(\.name) == (300 - rest.count..<300).map { "\($0)\(long)" })
        #expect(try group.drop(1, appendingTo: &buffer) == nil)
        for number in 300..<1500 { try touch("\(path)/\(number)\(long)") }
        #expect(try group.drop(1100, appendingTo: &buffer) != nil)
        let last = try take(group)
        #expect(last.count <= 100 && last.count > 100 - 4096 / 200)
        #expect(last.last?.name == "1499\(long)")
    }
}

/// How much waits, found without reading it.
@Suite(.privileged) struct WaitingTests {
    @Test func eventsAreCountedBeforeTheyAreRead() throws {
        let files = try ScratchFilesystem()
        let group = try FanotifyGroup(.fileHandle)
        try group.mark(filesystemAt: Array(files.path.utf8) + [0])
        #expect(try group.waitingEvents() == 0)
        for number in 0..<23 { try write("x", to: "\(files.path)/\(number)") }
        let waiting = try group.waitingEvents()
        var buffer: [UInt8] = []
        while try group.read(appendingTo: &buffer) != nil {}
        var events = 0
        try FanotifyEvent.parse(buffer.span.bytes) { _ in events += 1 }
        #expect(waiting == events && events >= 23)
        #expect(try group.waitingEvents() == 0)
    }

    @Test func limitOfTheQueue() throws {
        let limit = try #require(FanotifyGroup.queueLimit())
        #expect(limit > 0)
    }
}
