import CLinux
import Foundation
import Procfs
import SystemCalls
import TestSupport
import Testing

private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

/// The directory of a process that must be there.
func processDirectory(_ pid: Int32) throws -> ProcessDirectory {
    guard let directory = ProcessDirectory(pid) else { throw Failure("there is no process \(pid)") }
    return directory
}

@Suite struct OwnProcessTests {
    /// A thread is found under its own number, too, though no list has it.
    @Test func aThreadBelongsToItsProcess() async throws {
        let thread = await withCheckedContinuation { (continuation: CheckedContinuation<Int32, Never>) in
            Thread.detachNewThread {
                continuation.resume(returning: gettid())
                Thread.sleep(forTimeInterval: 2)
            }
        }
        #expect(thread != getpid())
        #expect(try processDirectory(thread).threadGroup() == getpid())
        #expect(try processDirectory(getpid()).threadGroup() == getpid())
        #expect(try processDirectory(1).threadGroup() == 1)
    }

    @Test func whatItTellsOfThisProcess() throws {
        let directory = try processDirectory(getpid())
        #expect(directory.pid == getpid())
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        #expect(text(directory.executable()) == executable)
        #expect(directory.arguments().map { text($0)! } == CommandLine.arguments)
        let found = directory.status()
        let status = try #require(found)
        #expect(status.parent == getppid())
        #expect(!status.isKernelThread)
        let sinceBoot = Clock.sinceBoot() / 10_000_000
        #expect(status.startTicks > 0 && status.startTicks <= sinceBoot)
        #expect(text(directory.workingDirectory()) == FileManager.default.currentDirectoryPath)
        let mapped = directory.mappedFiles()
        #expect(mapped.contains { text($0.path) == executable && $0.isExecutable })
        let namespace = directory.namespace("net")
        let inode = try #require(namespace)
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        #expect(link == "net:[\(inode)]")
        #expect(directory.namespace("nothing") == nil)
        // Of each kind the inode that a status of it has, whatever the link calls the kind.
        for name in ProcessDirectory.namespaceKinds + ["pid_for_children", "time_for_children"] {
            var status = stat()
            let there = stat("/proc/self/ns/\(name)", &status) == 0 ? UInt64(status.st_ino) : nil
            #expect(directory.namespace(name) == there, "\(name)")
        }
    }

    /// What is read for many processes is what is read of one, also where one has more than the memory that is there at first.
    @Test func mappingsOfOneAndOfMany() throws {
        let scratch = DescriptorScratch()
        func expectSame(_ pid: Int32) throws {
            let directory = try processDirectory(pid)
            // It may not have begun to sleep yet.
            let isSame: Bool? = eventually {
                let maps = directory.maps()
                let found = directory.mappings(scratch)
                let written = directory.mappings(scratch, sharedWritable: true)
                return found.files == MappedFile.parse(maps) && found.shared == SharedMapping.parse(maps)
                    && written.files == MappedFile.parse(maps, sharedWritable: true) && !maps.isEmpty
                    ? true : nil
            }
            #expect(isSame == true)
        }
        let child = try Child(["sleep", "60"])
        defer { child.kill() }
        try expectSame(child.pid)
        try withTemporaryFolder { folder in
            let path = folder + "/many"
            try write(String(repeating: "x", count: 4096), to: path)
            let file = try FileDescriptor.open(path, O_RDWR)
            // Each second page of it is a line of its own.
            let size = 4000 * 4096
            try #require(ftruncate(file.number, size) == 0)
            let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0)
            let start = try #require(address == MAP_FAILED ? nil : address)
            defer { munmap(start, size) }
            for page in stride(from: 0, to: 4000, by: 2) { mprotect(start + page * 4096, 4096, PROT_READ) }
            let directory = try processDirectory(getpid())
            #expect(directory.maps().count > 128 << 10)
            let found = directory.mappings(scratch, sharedWritable: true)
            #expect(found.files.map(\.path) == [Array(path.utf8)])
        }
        try expectSame(child.pid)
    }

    @Test func descriptorsWithTheirFlags() throws {
        let file = try FileDescriptor.open("/proc/self/stat", O_RDONLY)
        let null = try FileDescriptor.open("/dev/null", O_RDWR | O_APPEND)
        let directory = try processDirectory(getpid())
        var found: [Int32: String] = [:]
        directory.descriptors { found[$0] = text($1) }
        #expect(found[file.number] == "/proc/\(getpid())/stat")
        #expect(found[null.number] == "/dev/null")
        #expect(found[-1] == nil)
        let information = directory.descriptorInformation(null.number)?.flags
        let flags = try #require(information)
        #expect(flags & O_ACCMODE == O_RDWR)
        #expect(flags & O_APPEND != 0)
        #expect(directory.descriptorInformation(file.number).map { $0.flags & O_ACCMODE } == O_RDONLY)
        #expect(directory.descriptorInformation(1_000_000) == nil)
        // The same by the link's permissions; what was opened for neither has none.
        let path = try FileDescriptor.open("/dev/null", O_PATH)
        let written = try FileDescriptor.open("/dev/null", O_WRONLY)
        let folder = directory.descriptorFolder()
        guard let folder else { throw Failure("there is no folder of descriptors") }
        #expect(folder.accessMode(null.number) == O_RDWR)
        #expect(folder.accessMode(file.number) == O_RDONLY)
        #expect(folder.accessMode(written.number) == O_WRONLY)
        #expect(folder.accessMode(path.number) == nil)
        #expect(folder.accessMode(1_000_000) == nil)
        let kind = directory.statistics(descriptor: null.number).map { $0.mode & S_IFMT }
        #expect(kind == S_IFCHR)
        let isNothing = directory.statistics(descriptor: 1_000_000) == nil
        #expect(isNothing)
    }

    @Test func kernelThreadsHaveNoImage() throws {
        // In a pid namespace of its own a host has none.
        guard let directory = ProcessDirectory(2), directory.status()?.isKernelThread == true else { return }
        #expect(directory.executable() == nil)
        #expect(directory.arguments() == [])
        #expect(directory.mappedFiles() == [])
    }

    @Test func deletedExecutableKeepsItsPath() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/tool"
            try FileManager.default.copyItem(atPath: "/bin/sleep", toPath: path)
            let child = try Child([path, "60"])
            defer { child.kill() }
            let directory = try processDirectory(child.pid)
            let isThere: Bool? = eventually { text(directory.executable()) == path ? true : nil }
            try #require(isThere == true)
            unlink(path)
            #expect(text(directory.executable()) == path)
        }
    }

    /// What the kernel really does with awkward names.
    @Test(arguments: ["a b", "a\nb", #"a\101b"#, #"a\"#, "(deleted)", "\t"])
    func mappedFilesHaveTheirNames(name: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/" + name
            try write("x", to: path)
            let file = try FileDescriptor.open(path, O_RDWR)
            let address = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0)
            try #require(address != MAP_FAILED)
            defer { munmap(address, 4096) }
            let found = try processDirectory(getpid()).mappedFiles().first { $0.path == Array(path.utf8) }
            #expect(found?.isSharedWritable == true)
            #expect(found?.isExecutable == false)
        }
    }

    @Test func noSuchProcess() {
        for pid in [0, -1, Int32.max, .min] {
            let isThere = ProcessDirectory(pid) != nil
            #expect(!isThere)
        }
    }

    @Test func listHasThisProcess() {
        let pids = ProcessList.pids()
        #expect(pids.contains(getpid()))
        #expect(pids.contains(1))
        #expect(Set(pids).count == pids.count)
        #expect(pids.allSatisfy { $0 > 0 })
    }
}

@Suite struct VanishingProcessTests {
    /// Everything that can be asked says that there is nothing.
    private func expectNothing(_ directory: borrowing ProcessDirectory) {
        #expect(directory.executable() == nil)
        #expect(directory.arguments() == [])
        #expect(directory.controlGroup() == nil)
        #expect(directory.status() == nil)
        var descriptors = 0
        directory.descriptors { _, _ in descriptors += 1 }
        #expect(descriptors == 0)
        #expect(directory.descriptorInformation(1) == nil)
        let isNothing = directory.statistics(descriptor: 1) == nil
        #expect(isNothing)
        #expect(directory.mappedFiles() == [])
        #expect(directory.workingDirectory() == nil)
        #expect(directory.resolve(Array("/etc/passwd".utf8)) == nil)
        #expect(directory.resolve(Array("passwd".utf8)) == nil)
        #expect(directory.namespace("net") == nil)
    }

    @Test func goneHalfWay() throws {
        let child = try Child(["sleep", "60"])
        let directory = try processDirectory(child.pid)
        #expect(directory.status() != nil)
        child.kill()
        expectNothing(directory)
        let isThere = ProcessDirectory(child.pid) != nil
        #expect(!isThere)
    }

    @Test func zombieIsStillAProcessWithoutAnImage() throws {
        var pid: Int32 = 0
        let arguments = [strdup("true"), nil]
        defer { free(arguments[0]) }
        try #require(posix_spawn(&pid, "/bin/true", nil, nil, arguments, nil) == 0)
        defer { waitpid(pid, nil, 0) }
        let directory = try processDirectory(pid)
        let state = eventually { directory.status()?.state == UInt8(ascii: "Z") ? true : nil }
        #expect(state == true)
        #expect(directory.executable() == nil)
        #expect(directory.arguments() == [])
        #expect(directory.mappedFiles() == [])
    }

    /// The pid is given to another process while the directory of the first is held.
    @Test(.privileged) func reusedPidIsAnotherProcess() throws {
        for _ in 0..<50 {
            let child = try Child(["sleep", "60"])
            let directory = try processDirectory(child.pid)
            let pid = child.pid
            child.kill()
            // Any process of the host may take the number first: then again.
            guard let next = try? FileDescriptor.open("/proc/sys/kernel/ns_last_pid", O_WRONLY) else {
                try Test.cancel("pids cannot be chosen here")
            }
            try Array("\(pid - 1)".utf8).withUnsafeBytes { try next.writeAll($0) }
            let other = try Child(["sleep", "60"])
            defer { other.kill() }
            guard other.pid == pid else { continue }
            expectNothing(directory)
            let now = try processDirectory(pid)
            #expect(now.status() != nil)
            return
        }
        Issue.record("the pid was never used again")
    }
}
