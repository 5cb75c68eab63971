import CLinux
import Foundation
import SystemCalls
import Testing

@Suite struct FileDescriptorTests {
    @Test func closesWhenItsOwnerLetsItGo() throws {
        let pipe = Pipe()
        let watched = dup(pipe.input.number)
        let own = try #require(identity(watched))
        let number: Int32
        do {
            let copy = FileDescriptor(owning: watched)
            number = copy.number
            #expect(identity(number) == own)
        }
        // Another test may have taken the number meanwhile: it must only not be ours any more.
        #expect(identity(number) != own)
    }

    @Test func releaseGivesItAwayOpen() throws {
        let pipe = Pipe()
        let watched = dup(pipe.input.number)
        let number = FileDescriptor(owning: watched).release()
        #expect(number == watched)
        #expect(identity(number) == identity(pipe.input.number))
        close(number)
    }

    @Test func everyOpenClosesOnExec() throws {
        try withFolder { folder in
            let path = folder + "/a"
            let made = try FileDescriptor.open(path, O_RDWR | O_CREAT, mode: 0o640)
            let isMadeSo = closesOnExec(made.number)
            #expect(isMadeSo)
            var status = stat()
            #expect(fstat(made.number, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o640 & ~currentMask())
            let bytes = try FileDescriptor.open(bytes: Array(path.utf8) + [0], O_RDONLY)
            let isOpenedSo = closesOnExec(bytes.number)
            #expect(isOpenedSo)
            let directory = try FileDescriptor.open(folder, O_PATH | O_DIRECTORY)
            let relative = try directory.openRelative("a", O_RDONLY)
            let isFoundSo = closesOnExec(relative.number)
            #expect(isFoundSo)
            #expect(identity(relative.number) == identity(made.number))
        }
    }

    /// The mask of this process, from its status: umask(2) can only be read by setting it.
    private func currentMask() -> mode_t {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("Umask:") }
        return mode_t(line?.split(separator: "\t").last ?? "22", radix: 8) ?? 0o022
    }

    @Test func opensNamesThatAreNotText() throws {
        try withFolder { folder in
            let path = Array(folder.utf8) + [0x2f, 0xff, 0xfe, 0]
            let made = try FileDescriptor.open(bytes: path, O_WRONLY | O_CREAT, mode: 0o600)
            let found = try FileDescriptor.open(bytes: path, O_RDONLY)
            #expect(identity(made.number) == identity(found.number))
        }
    }

    @Test func failuresNameCallAndCause() throws {
        func code(_ call: () throws(SystemError) -> Void) -> SystemError? {
            do throws(SystemError) {
                try call()
                return nil
            } catch { return error }
        }
        #expect(
            code { () throws(SystemError) in _ = try FileDescriptor.open("/nonexistent/a", O_RDONLY) }
                == SystemError("open", code: ENOENT))
        #expect(
            code { () throws(SystemError) in _ = try FileDescriptor.open(bytes: [0], O_RDONLY) }
                == SystemError("open", code: ENOENT))
        #expect(
            code { () throws(SystemError) in
                let root = try FileDescriptor.open("/", O_PATH)
                _ = try root.openRelative("nonexistent", O_RDONLY)
            } == SystemError("openat", code: ENOENT))
        #expect(
            code { () throws(SystemError) in _ = try FileDescriptor.open("/", O_RDONLY).readAll() }
                == SystemError("read", code: EISDIR))
    }

    @Test func readTellsNothingFromTheEnd() throws {
        let pipe = Pipe()
        #expect(try pipe.get() == nil)
        try pipe.put([2, 3])
        #expect(try pipe.get(1) == [2])
        #expect(try pipe.get() == [3])
        #expect(try pipe.get() == nil)
        let file = try FileDescriptor.open("/dev/null", O_RDONLY)
        var byte: UInt8 = 0
        let count = try withUnsafeMutableBytes(of: &byte) { try file.read(into: $0) }
        #expect(count == 0)
    }

    @Test func writeAllGoesOnAfterAShortWrite() throws {
        // More than a pipe holds, so one write cannot take it.
        let bytes = (0..<300_007).map { UInt8(truncatingIfNeeded: $0 / 7) }
        var ends: [Int32] = [0, 0]
        #expect(pipe2(&ends, O_CLOEXEC) == 0)
        let output = FileDescriptor(owning: ends[0])
        let input = ends[1]
        let writer = Thread {
            let input = FileDescriptor(owning: input)
            try? bytes.withUnsafeBytes { try input.writeAll($0) }
        }
        writer.start()
        #expect(try output.readAll() == bytes)
    }

    /// Whatever a file has, and no more than was asked for.
    @Test(arguments: [0, 1, 1023, 1024, 1025, 1024 + (1 << 14), 1025 + (1 << 14), 100_000])
    func readsWhatIsMostlyBrief(size: Int) throws {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 3) }
        let path = NSTemporaryDirectory() + UUID().uuidString
        let output = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        defer { unlink(path) }
        try bytes.withUnsafeBytes { try output.writeAll($0) }
        for limit in [1, 512, 1024, 1025, 20_000, 1 << 20] {
            let file = try FileDescriptor.open(path, O_RDONLY)
            #expect(try file.readBrief(limit: limit) == Array(bytes.prefix(limit)), "\(limit)")
        }
    }

    @Test(arguments: ["/proc/self/stat", "/proc/self/maps", "/proc/self/mountinfo", "/proc/cpuinfo"])
    func readsFilesOfProcWhole(path: String) throws {
        let bytes = try FileDescriptor.open(path, O_RDONLY).readAll()
        // They have no size of their own: a reader that asks for it gets nothing.
        #expect(bytes.count > 100)
        #expect(bytes.last == UInt8(ascii: "\n"))
    }

    @Test(arguments: [0, 1, 4095, 4096, 4097, 12_288, 5_000_011])
    func readsFilesOfAnySize(count: Int) throws {
        try withFolder { folder in
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/a"))
            #expect(try FileDescriptor.open(folder + "/a", O_RDONLY).readAll() == bytes)
        }
    }

    @Test(arguments: [0, 1, 4096, 4097, 10_000])
    func stopsAtTheLimit(limit: Int) throws {
        let zeros = try FileDescriptor.open("/dev/zero", O_RDONLY)
        #expect(try zeros.readAll(limit: limit).count == limit)
    }
}
