import CLinux
import Glibc
import Synchronization
import SystemCalls
import TestSupport
import Testing
import Transfer

@testable import Placeholders

/// Against the real kernel, on a filesystem of the test's own.
@Suite(
    "Placeholders are filled before anybody reads them", .serialized, .privileged,
    // Before Linux 6.14 there is no such event.
    .enabled(if: AccessGroup.obstacle(in: "/var/tmp")?.code != EINVAL))
struct FillerTests {
    /// Files that are there.
    private final class Local: BlockSource {
        let files: [[UInt8]]
        let isAway = Mutex(false)
        let refuses = Mutex(false)
        let asked = Mutex<[Range<Int>]>([])

        init(_ files: [[UInt8]]) { self.files = files }

        func fetch(_ placeholder: Placeholder, _ units: Range<Int>, missing: UInt64) throws(TransferError)
            -> [[UInt8]?]
        {
            if isAway.withLock({ $0 }) { throw .closed("away") }
            if refuses.withLock({ $0 }) { throw .refused("no") }
            asked.withLock { $0.append(units) }
            let bytes = files[Int(placeholder.number)]
            return units.map { unit in
                let start = unit * Placeholder.unit
                let part = Array(bytes[start..<min(start + Placeholder.unit, bytes.count)])
                return part.allSatisfy { $0 == 0 } ? nil : part
            }
        }
    }

    /// Placeholders, their keeper and their filler, all in this process.
    private final class Scene {
        let scratch: ScratchFilesystem
        let source: Local
        let folder: String
        let store: PlaceholderStore
        private(set) var filler: Filler
        let keepers = Mutex(0)
        let isComplete = Mutex(false)

        func path(_ number: Int) -> String { scratch.path + "/\(number)" }

        init(_ files: [[UInt8]], prefetches: Bool, patience: UInt64 = 60) throws {
            scratch = try ScratchFilesystem(.ext4)
            source = Local(files)
            folder = try scratch.folder("fetch")
            let group = try AccessGroup.make()
            var made: [Placeholder] = []
            for (number, bytes) in files.enumerated() {
                let path = scratch.path + "/\(number)"
                let file = try FileDescriptor.open(path, O_RDWR | O_CREAT, mode: 0o640)
                ftruncate(file.number, off_t(bytes.count))
                var times = [timespec(tv_sec: 5, tv_nsec: 6), timespec(tv_sec: 7, tv_nsec: 8)]
                futimens(file.number, &times)
                try AccessGroup.mark(group.number, file.number)
                made.append(
                    Placeholder(
                        number: UInt32(number), path: Array("/\(number)".utf8), size: UInt64(bytes.count),
                        handle: try AccessGroup.handle(of: file.number)))
            }
            try PlaceholderStore.make(made, in: folder)
            store = try PlaceholderStore(folder)
            let folder = folder
            let means = Filler.Means(
                startKeeper: { () throws(SystemError) in
                    let keeper = Held(try Keeper(in: folder, patience: patience))
                    try DetachedThread.start { keeper.run() }
                },
                holder: { nil }, isRunning: { false }, endPrograms: {}, complete: {}, say: { _ in })
            filler = try Filler(store, from: source, root: scratch.path, prefetches: prefetches, means)
            try filler.start(group)
            filler.goAhead()
        }

        func end() { filler.stop() }
    }

    private final class Held: @unchecked Sendable {
        private var keeper: Keeper
        init(_ keeper: consuming Keeper) { self.keeper = keeper }
        func run() { keeper.run() }
    }

    private static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { bytes in
            for index in stride(from: 0, to: count - 8, by: 8) {
                bytes.storeBytes(
                    of: generator.next() | 0x0101_0101_0101_0101, toByteOffset: index, as: UInt64.self)
            }
        }
        return bytes
    }

    private static func read(_ path: String) throws -> [UInt8] {
        try FileDescriptor.open(path, O_RDONLY).readAll(limit: 1 << 30)
    }

    @Test func whatIsTouchedIsFetchedAndNothingElse() throws {
        let content = Self.bytes(4 << 20, seed: 1)
        let scene = try Scene([content], prefetches: false)
        defer { scene.end() }
        let file = try FileDescriptor.open(scene.path(0), O_RDONLY)
        var buffer = [UInt8](repeating: 0, count: 100)
        #expect(pread(file.number, &buffer, 100, 3_000_000) == 100)
        #expect(buffer == Array(content[3_000_000..<3_000_100]))
        let missing = scene.store.missing
        #expect(missing > 2 << 20 && missing < 4 << 20)
        var status = stat()
        #expect(fstat(file.number, &status) == 0)
        // Filling is no change of the file.
        #expect(status.st_mtim.tv_sec == 7 && status.st_mtim.tv_nsec == 8)
        #expect(status.st_mode & 0o7777 == 0o640)
    }

    @Test func mappingsLinksRenamesAndCopies() throws {
        let content = Self.bytes((1 << 20) + 777, seed: 2)
        let scene = try Scene([content, content, content, content], prefetches: false)
        defer { scene.end() }
        let mapped = try FileDescriptor.open(scene.path(0), O_RDONLY)
        let place = mmap(nil, content.count, PROT_READ, MAP_PRIVATE, mapped.number, 0)!
        #expect(memcmp(place, content, content.count) == 0)
        munmap(place, content.count)
        rename(scene.path(1), scene.path(1) + ".new")
        link(scene.path(1) + ".new", scene.path(1) + ".link")
        #expect(try Self.read(scene.path(1) + ".link") == content)
        let from = try FileDescriptor.open(scene.path(2), O_RDONLY)
        let to = try FileDescriptor.open(scene.path(2) + ".copy", O_RDWR | O_CREAT, mode: 0o600)
        #expect(clinux_copy_file_range(from.number, to.number, UInt64(content.count)) == content.count)
        #expect(try Self.read(scene.path(2) + ".copy") == content)
        let gone = try FileDescriptor.open(scene.path(3), O_RDONLY)
        unlink(scene.path(3))
        #expect(try gone.readAll() == content)
    }

    @Test func whoCannotBeServedGetsAnError() throws {
        let content = Self.bytes(1 << 20, seed: 3)
        let scene = try Scene([content], prefetches: false, patience: 1)
        defer { scene.end() }
        let file = try FileDescriptor.open(scene.path(0), O_RDWR)
        var byte: UInt8 = 0
        scene.source.refuses.withLock { $0 = true }
        #expect(pread(file.number, &byte, 1, 0) == -1 && errno == EIO)
        #expect(pwrite(file.number, &byte, 1, 0) == -1 && errno == EIO)
        #expect(mmap(nil, 4096, PROT_READ, MAP_PRIVATE, file.number, 0) == MAP_FAILED)
        scene.source.refuses.withLock { $0 = false }
        scene.source.isAway.withLock { $0 = true }
        let begin = Clock.monotonic()
        #expect(pread(file.number, &byte, 1, 0) == -1 && errno == EIO)
        #expect(Clock.monotonic() - begin > 900_000_000)
        scene.source.isAway.withLock { $0 = false }
        #expect(pread(file.number, &byte, 1, 0) == 1 && byte == content[0])
    }

    /// A file that programs write, cut off, punch and let grow ends as one that was complete from the beginning, with and
    /// without what is fetched ahead of them.
    @Test(arguments: [false, true], 0..<6)
    func whateverProgramsDoComesOutTheSame(prefetches: Bool, seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let content = Self.bytes(3 << 20, seed: UInt64(seed) + 40)
        let scene = try Scene([content], prefetches: prefetches)
        defer { scene.end() }
        let twin = scene.scratch.path + "/twin"
        try write(String(), to: twin)
        let other = try FileDescriptor.open(twin, O_RDWR)
        #expect(
            content.withUnsafeBytes { pwrite(other.number, $0.baseAddress, $0.count, 0) } == content.count)
        let file = try FileDescriptor.open(scene.path(0), O_RDWR)
        for round in 0..<120 {
            var status = stat()
            fstat(other.number, &status)
            let size = Int(status.st_size)
            let offset = Int.random(in: 0...max(size, 4096), using: &generator)
            let length = Int.random(in: 1...40_000, using: &generator)
            let action = Int.random(in: 0..<20, using: &generator)
            for number in [file.number, other.number] {
                let path = number == file.number ? scene.path(0) : twin
                switch action {
                case 0..<8:
                    let bytes = [UInt8](repeating: UInt8(1 + round), count: length)
                    #expect(
                        bytes.withUnsafeBytes { pwrite(number, $0.baseAddress, $0.count, off_t(offset)) }
                            == length)
                case 8..<10: #expect(ftruncate(number, off_t(offset)) == 0)
                case 10: #expect(ftruncate(number, off_t(offset & ~4095)) == 0)
                case 11: #expect(ftruncate(number, off_t(size + length)) == 0)
                case 12 where round % 3 == 0: close(open(path, O_WRONLY | O_TRUNC))
                case 13..<15:
                    let appending = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
                    let bytes = [UInt8](repeating: UInt8(1 + round), count: length)
                    #expect(
                        bytes.withUnsafeBytes { Glibc.write(appending, $0.baseAddress, $0.count) } == length)
                    close(appending)
                case 15..<17:
                    #expect(clinux_fallocate(number, clinux_PUNCH_HOLE, UInt64(offset), UInt64(length)) == 0)
                default: break
                }
            }
            if action >= 17 {
                var left = [UInt8](repeating: 0, count: length)
                var right = left
                let count = pread(file.number, &left, length, off_t(offset))
                #expect(count == pread(other.number, &right, length, off_t(offset)))
                #expect(left == right, "round \(round)")
            }
        }
        #expect(try Self.read(scene.path(0)) == Self.read(twin))
    }

    @Test func aFillerThatComesLaterGoesOn() throws {
        // The keeper keeps what waits: a filler that is there again answers it.
        let content = Self.bytes(1 << 20, seed: 9)
        let scene = try Scene([content], prefetches: false)
        defer { scene.end() }
        scene.source.isAway.withLock { $0 = true }
        let path = scene.path(0)
        let box = Outcome()
        do {
            try DetachedThread.start {
                let file = open(path, O_RDONLY)
                var byte: UInt8 = 0
                box.end(pread(file, &byte, 1, 500_000) == 1 ? Int(byte) : -1)
                close(file)
            }
            usleep(200_000)
            #expect(box.value == nil)
            // Another filler takes the first one's place.
            let second = try KeeperLink(scene.folder)
            let group = try second.ask(.fill)
            let hasGroup = group != nil
            #expect(hasGroup)
            var waiting = pollfd(fd: second.socket.number, events: Int16(POLLIN), revents: 0)
            #expect(poll(&waiting, 1, 5000) == 1)
            let received = try KeeperMessage.receive(from: second.socket.number)
            #expect(received?.0.kind == .access)
            #expect(received?.0.length ?? 0 > 0)
            if let descriptor = received?.1 { close(descriptor) }
            #expect(box.value == nil)
            // It goes without a word; the first one comes back by itself, and the source too.
            scene.source.isAway.withLock { $0 = false }
            _ = consume second
            let value: Int? = eventually(within: 10) { box.value }
            #expect(value == Int(content[500_000]))
        }
    }

    private final class Outcome: Sendable {
        private let held = Mutex<Int?>(nil)
        var value: Int? { held.withLock { $0 } }
        func end(_ value: Int) { held.withLock { $0 = value } }
    }
}
