import CLinux
import Glibc
import SystemCalls
import TestSupport
import Testing
import Transport

@testable import Transfer

@Suite("Files are brought to another root")
struct TransferTests {
    static let block = 16 << 10

    @Test func everythingThatAProgramCouldNotice() throws {
        let pair = try TransferPair()
        let top = pair.source
        try write(top + "/plain", "hello\n")
        try write(top + "/empty", "")
        try write(top + "/-rf #;\n\"quoted\"", "named")
        try write(Array(top.utf8) + [UInt8(ascii: "/"), 0xff, 0xfe], Array("no UTF-8".utf8))
        mkdir(top + "/folder", 0o750)
        mkdir(top + "/folder/empty", 0o2775)
        try write(top + "/folder/program", "#!/bin/sh\n")
        chmod(top + "/folder/program", 0o4755)
        symlink("folder/program", top + "/link")
        symlink("/nowhere/at all", top + "/dangling")
        link(top + "/plain", top + "/zz-second-name")
        mkfifo(top + "/pipe", 0o640)
        setxattr(top + "/plain", "user.note", "two words", 9, 0)
        if geteuid() == 0 {
            chown(top + "/plain", 1234, 2345)
            lchown(top + "/link", 77, 78)
            mknod(top + "/null", S_IFCHR | 0o666, 0x103)
            chown(top + "/folder/program", 5, 6)
            chmod(top + "/folder/program", 0o6755)
        }
        var old = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 981_173_106, tv_nsec: 123_456_789)]
        utimensat(AT_FDCWD, top + "/plain", &old, 0)
        utimensat(AT_FDCWD, top + "/folder", &old, 0)
        utimensat(AT_FDCWD, top + "/link", &old, AT_SYMLINK_NOFOLLOW)
        try pair.round()
        #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: top))
        #expect(inode(pair.destination + "/plain") == inode(pair.destination + "/zz-second-name"))
        #expect(try pair.receiver.verify() > 0)
        #expect(try pair.receiver.verify() == 0)
    }

    @Test func onlyChangedBlocksAreSentAgain() throws {
        let pair = try TransferPair()
        var bytes = noise(40 * Self.block + 100, seed: 1)
        try write(Array((pair.source + "/data").utf8), bytes)
        let first = try pair.round()
        #expect(first.sent == UInt64(bytes.count))
        settle()
        // Nothing: no byte.
        _ = try pair.round()
        let nothing = try pair.round()
        #expect(nothing.sent == 0)
        bytes[3 * Self.block + 7] ^= 1
        bytes[39 * Self.block] ^= 1
        bytes[bytes.count - 1] ^= 1
        try patch(pair.source + "/data", at: 3 * Self.block + 7, bytes[3 * Self.block + 7])
        try patch(pair.source + "/data", at: 39 * Self.block, bytes[39 * Self.block])
        try patch(pair.source + "/data", at: bytes.count - 1, bytes[bytes.count - 1])
        let second = try pair.round()
        #expect(second.sent == UInt64(2 * Self.block + 100))
        #expect(try TransferPair.contents(pair.destination, Array("/data".utf8)) == bytes)
    }

    @Test func aChangeRightAfterTheCopyIsNotMissed() throws {
        // Within one tick of the clock the times stay as they are; 200 files, each changed at equal size as soon as it was sent.
        let pair = try TransferPair()
        for number in 0..<200 { try write(pair.source + "/\(number)", "before") }
        try pair.round()
        for number in 0..<200 { try write(pair.source + "/\(number)", "after!") }
        let times = [timespec(tv_sec: 5, tv_nsec: 0), timespec(tv_sec: 5, tv_nsec: 0)]
        for number in 0..<200 { utimensat(AT_FDCWD, pair.source + "/\(number)", times, 0) }
        try pair.round()
        #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source))
    }

    @Test func aChangeOfAttributesAloneIsNotMissed() throws {
        let pair = try TransferPair()
        for number in 0..<200 {
            try write(pair.source + "/\(number)", "content")
            mkdir(pair.source + "/folder-\(number)", 0o755)
            symlink("before", pair.source + "/link-\(number)")
        }
        func change(_ mode: mode_t, _ note: String, _ target: String) throws {
            for number in 0..<200 {
                chmod(pair.source + "/\(number)", mode)
                setxattr(pair.source + "/folder-\(number)", "user.note", note, note.utf8.count, 0)
                unlink(pair.source + "/link-\(number)")
                symlink(target, pair.source + "/link-\(number)")
            }
        }
        // Within one tick of the clock, then when all has been seen unchanged, and again at once.
        try pair.round()
        try change(0o600, "one", "second")
        try pair.round()
        #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source))
        settle()
        try pair.round()
        let nothing = try pair.round()
        #expect(nothing.offered == 0)
        for (mode, note) in [(mode_t(0o640), "two"), (0o644, "three")] {
            try change(mode, note, note)
            try pair.round()
            #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source))
        }
    }

    @Test func foldersKeepTheirTimesWhateverHappensInThem() throws {
        let pair = try TransferPair()
        for name in ["grows", "shrinks", "stays"] {
            mkdir(pair.source + "/" + name, 0o755)
            try write(pair.source + "/\(name)/file", "content")
        }
        try pair.round()
        settle()
        try pair.round()
        try write(pair.source + "/grows/more", "content")
        unlink(pair.source + "/shrinks/file")
        let times = [timespec(tv_sec: 5, tv_nsec: 0), timespec(tv_sec: 5, tv_nsec: 0)]
        for name in ["grows", "shrinks"] { utimensat(AT_FDCWD, pair.source + "/" + name, times, 0) }
        try pair.round()
        #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source))
        // What the folder is said to be has not changed, and what was written in it has changed its time there.
        settle()
        try pair.round()
        unlink(pair.source + "/grows/more")
        utimensat(AT_FDCWD, pair.source + "/grows", times, 0)
        try pair.round()
        #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source))
    }

    @Test func aMappedFileIsComparedWhateverItsTimesSay() throws {
        // In memory: nothing is written back meanwhile, after which a write would change the times.
        let pair = try TransferPair(in: "/dev/shm")
        try write(Array((pair.source + "/mapped").utf8), noise(5 * Self.block, seed: 2))
        let file = try FileDescriptor.open(pair.source + "/mapped", O_RDWR)
        let memory = mmap(nil, 5 * Self.block, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0)!
        defer { munmap(memory, 5 * Self.block) }
        // The first write of a page changes the times, the next ones do not.
        memory.storeBytes(of: 1, toByteOffset: 2 * Self.block, as: UInt8.self)
        settle()
        try pair.round()
        settle()
        try pair.round()
        let before = inodeTimes(pair.source + "/mapped")
        memory.storeBytes(of: 2, toByteOffset: 2 * Self.block, as: UInt8.self)
        #expect(inodeTimes(pair.source + "/mapped") == before)
        try pair.round()
        #expect(try TransferPair.contents(pair.destination, Array("/mapped".utf8))[2 * Self.block] == 1)
        let round = try pair.round(mapped: [Array("/mapped".utf8)])
        #expect(round.sent == UInt64(Self.block))
        #expect(try TransferPair.contents(pair.destination, Array("/mapped".utf8))[2 * Self.block] == 2)
    }

    @Test func whatIsGoneIsRemovedAndWhatIsNotOfItToo() throws {
        let pair = try TransferPair()
        mkdir(pair.source + "/folder", 0o755)
        try write(pair.source + "/folder/a", "a")
        try write(pair.source + "/b", "b")
        mkdir(pair.destination + "/stranger", 0o755)
        try write(pair.destination + "/stranger/file", "not of it")
        try pair.round()
        #expect(access(pair.destination + "/stranger", F_OK) != 0)
        unlink(pair.source + "/folder/a")
        rmdir(pair.source + "/folder")
        unlink(pair.source + "/b")
        symlink("elsewhere", pair.source + "/b")
        try pair.round()
        #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source))
        #expect(access(pair.destination + "/folder", F_OK) != 0)
    }

    @Test func whatTheDestinationHasIsNotSent() throws {
        let own = TemporaryFolder()
        let pair = try TransferPair(own: own.path)
        let bytes = noise(20 * Self.block, seed: 3)
        try write(Array((pair.source + "/library").utf8), bytes)
        try write(Array((own.path + "/library").utf8), bytes)
        // Of another content, in one block.
        var other = bytes
        other[5 * Self.block] ^= 1
        try write(Array((pair.source + "/near").utf8), other)
        try write(Array((own.path + "/near").utf8), bytes)
        let round = try pair.round()
        #expect(round.sent == UInt64(Self.block))
        #expect(pair.receiver.figures.taken == UInt64(40 * Self.block))
        #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source))
    }

    @Test func whatIsEqualAtTheHostIsLeftThere() throws {
        let own = TemporaryFolder()
        let pair = try TransferPair(own: own.path, leavesEqual: true)
        let bytes = noise(20 * Self.block, seed: 3)
        for name in ["/equal", "/later", "/mode"] {
            try write(Array((pair.source + name).utf8), bytes)
            try write(Array((own.path + name).utf8), bytes)
        }
        chmod(own.path + "/mode", 0o600)
        chmod(pair.source + "/mode", 0o644)
        var other = bytes
        other[5 * Self.block] ^= 1
        try write(Array((pair.source + "/near").utf8), other)
        try write(Array((own.path + "/near").utf8), bytes)
        for top in [pair.source, own.path] { symlink("equal", top + "/link") }
        settle()
        let first = try pair.round()
        #expect(first.sent == UInt64(Self.block))
        #expect(
            try Set(TransferPair.paths(below: pair.destination)).map(text).sorted() == ["/mode", "/near"])
        #expect(try TransferPair.contents(pair.destination, Array("/near".utf8)) == other)
        try pair.receiver.verifyPresent()
        // One that is changed afterwards is brought, by what differs.
        try patch(pair.source + "/later", at: 7, bytes[7] ^ 1)
        let second = try pair.round()
        #expect(second.sent == UInt64(Self.block))
        var changed = bytes
        changed[7] ^= 1
        #expect(try TransferPair.contents(pair.destination, Array("/later".utf8)) == changed)
        #expect(try TransferPair.contents(own.path, Array("/later".utf8)) == bytes)
        // The host's own is not what was compared any more.
        try patch(own.path + "/equal", at: 0, bytes[0] ^ 1)
        #expect(throws: TransferError.differs(Array("/equal".utf8))) { try pair.receiver.verifyPresent() }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func aSecondMoveBackSendsWhatDiffers() throws {
        let there = try TransferPair()
        try write(Array((there.source + "/data").utf8), noise(200 * Self.block, seed: 4))
        try there.round()
        try patch(there.destination + "/data", at: 10 * Self.block, 0xaa)
        // Another pair, as after a restart of both: nothing is remembered, the hashes are compared.
        let ends = try TransferPair.channels()
        let sender = FileSender(over: ends.0, root: there.destination, progress: TransferProgress())
        let receiver = Held(try FileReceiver(over: ends.1, root: there.source, own: nil))
        let outcome = Outcome()
        try DetachedThread.start {
            do {
                try receiver.value.receive()
                outcome.end(nil)
            } catch { outcome.end(error) }
        }
        let round = try sender.send(TransferPair.paths(below: there.destination), isMirror: true)
        #expect(outcome.wait() == nil)
        #expect(round.sent == UInt64(Self.block))
        #expect(try TransferPair.picture(of: there.destination) == TransferPair.picture(of: there.source))
    }

    @Test func holesStayHoles() throws {
        let pair = try TransferPair()
        let file = try FileDescriptor.open(pair.source + "/sparse", O_RDWR | O_CREAT, mode: 0o600)
        ftruncate(file.number, 64 << 20)
        var mark: [UInt8] = [1, 2, 3]
        pwrite(file.number, &mark, 3, 40 << 20)
        let round = try pair.round()
        #expect(round.sent == UInt64(Self.block))
        var status = stat()
        stat(pair.destination + "/sparse", &status)
        #expect(status.st_size == 64 << 20)
        #expect(status.st_blocks * 512 <= 1 << 20)
        #expect(try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source))
    }

    @Test func filesThatGrowShrinkAndChangeTheirKind() throws {
        let pair = try TransferPair()
        var generator = SeededGenerator(seed: 5)
        for step in 0..<30 {
            for number in 0..<12 where Int.random(in: 0..<3, using: &generator) == 0 {
                let path = pair.source + "/\(number)"
                switch Int.random(in: 0..<6, using: &generator) {
                case 0: _ = Glibc.remove(path)
                case 1:
                    _ = Glibc.remove(path)
                    symlink("\(step)", path)
                case 2:
                    _ = Glibc.remove(path)
                    mkdir(path, 0o711)
                default:
                    if isFolder(path) || isLink(path) { _ = Glibc.remove(path) }
                    let size = Int.random(in: 0..<4 * Self.block, using: &generator)
                    try write(Array(path.utf8), noise(size, seed: UInt64(step * 100 + number)))
                }
            }
            try pair.round()
            #expect(
                try TransferPair.picture(of: pair.destination) == TransferPair.picture(of: pair.source),
                "step \(step)")
        }
        #expect(try pair.receiver.verify() > 0)
    }

    @Test func ownersAreMapped() throws {
        guard geteuid() == 0 else { return }
        var owners = OwnerMap()
        owners.users[1234] = 4321
        owners.groups[7] = 70
        let pair = try TransferPair(owners: owners)
        try write(pair.source + "/file", "x")
        chown(pair.source + "/file", 1234, 7)
        try pair.round()
        var status = stat()
        stat(pair.destination + "/file", &status)
        #expect(status.st_uid == 4321 && status.st_gid == 70)
    }

    @Test func aChangedBlockOfTheDestinationIsFound() throws {
        let pair = try TransferPair()
        try write(Array((pair.source + "/data").utf8), noise(6 * Self.block, seed: 6))
        try pair.round()
        try patch(pair.destination + "/data", at: 4 * Self.block + 1, 0x55)
        #expect(throws: TransferError.differs(Array("/data".utf8))) { _ = try pair.receiver.verify() }
    }

    @Test func nothingOutsideOfTheRootIsReached() throws {
        let pair = try TransferPair()
        let outside = pair.folder.path + "/outside"
        mkdir(outside, 0o755)
        try write(outside + "/victim", "untouched")
        symlink(outside, pair.destination + "/folder")
        // Sent by hand: what a source that is not to be trusted would send.
        let ends = try TransferPair.channels()
        let receiver = Held(try FileReceiver(over: ends.1, root: pair.destination, own: nil))
        let outcome = Outcome()
        try DetachedThread.start {
            do {
                try receiver.value.receive()
                outcome.end(nil)
            } catch { outcome.end(error) }
        }
        var packet = PacketWriter()
        packet.integer(UInt32(1))
        FileEntry(Array("/folder/victim".utf8), .file).append(to: &packet)
        packet.integer(UInt8(0))
        try ends.0.send(Frame(.entries, packet.bytes))
        _ = try ends.0.receive(.needs)
        var end = PacketWriter()
        end.integer(UInt32(0))
        end.integer(UInt8(1))
        end.integer(UInt64(0))
        end.hash(BlockTable().root)
        try ends.0.send(Frame(.fileEnd, end.bytes))
        try ends.0.flush()
        let failure = outcome.wait()
        #expect(failure is TransferError)
        #expect(try TransferPair.contents(outside, Array("/victim".utf8)) == Array("untouched".utf8))
    }

    @Test(arguments: ["relative", "/a/../b", "/a//b", "/./a", "/a/", "", "/a\0b", "/.."])
    func aPathThatCannotBe(path: String) { #expect(!FileEntry.isSound(Array(path.utf8))) }

    @Test func hostilePackets() throws {
        let pair = try TransferPair()
        try write(pair.source + "/a", "content")
        var entry = PacketWriter()
        entry.integer(UInt32(1))
        FileEntry(Array("/a".utf8), .file).append(to: &entry)
        entry.integer(UInt8(0))
        let good = [entry.bytes]
        hostileInputs(from: good, count: 500, seed: 7) { bytes in
            var packet = PacketReader(bytes)
            _ = try? packet.count(ofAtLeast: 40)
            _ = try? FileEntry(from: &packet)
            var needs = PacketReader(bytes)
            _ = try? FileNeed(from: &needs)
        }
    }
}

private func write(_ path: String, _ text: String) throws { try write(Array(path.utf8), Array(text.utf8)) }

private func write(_ path: [UInt8], _ bytes: [UInt8]) throws {
    let file = try FileDescriptor.open(bytes: path + [0], O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
    try bytes.withUnsafeBytes { try file.writeAll($0) }
}

private func patch(_ path: String, at offset: Int, _ byte: UInt8) throws {
    let file = try FileDescriptor.open(path, O_WRONLY)
    var byte = byte
    guard pwrite(file.number, &byte, 1, off_t(offset)) == 1 else { throw Failure("pwrite") }
}

private func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    while bytes.count < count { withUnsafeBytes(of: generator.next()) { bytes += $0 } }
    return Array(bytes[..<count])
}

/// Until what was written is older than what the sender takes for certain.
private func settle() { usleep(60_000) }

private func inode(_ path: String) -> ino_t {
    var status = stat()
    stat(path, &status)
    return status.st_ino
}

private func inodeTimes(_ path: String) -> [Int] {
    var status = stat()
    stat(path, &status)
    return [status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
}

private func isFolder(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

private func isLink(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
}
