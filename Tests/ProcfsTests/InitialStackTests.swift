import Foundation
import TestSupport
import Testing

@testable import Procfs

/// What the kernel put on the stack of a new image: whether arguments are those of the exec.
@Suite struct InitialStackTests {
    private func stack(of arguments: [String]) -> InitialStack {
        var offsets: [UInt64] = []
        var end: UInt64 = 0
        for argument in arguments {
            offsets.append(end)
            end += UInt64(argument.utf8.count) + 1
        }
        return InitialStack(base: 0x7ffc_0000_1000, offsets: offsets, start: 0x7ffc_0000_1000)
    }

    private func bytes(_ arguments: [String]) -> [UInt8] { arguments.flatMap { Array($0.utf8) + [0] } }

    @Test func argumentsThatNobodyTouched() {
        for arguments in [["python3", "/srv/a.py"], ["bash"], ["a", "", "", "b"], [""], ["x", ""]] {
            #expect(stack(of: arguments).holds(bytes(arguments)), "\(arguments)")
        }
        let many = (0..<1000).map { "argument \($0)" }
        #expect(stack(of: many).holds(Array(bytes(many).prefix(4096)), isWhole: false))
    }

    @Test func titles() {
        let stack = stack(of: ["python3", "/srv/a.py"])
        for title in [
            "svc: master\0\0\0\0\0\0\0", "svc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "a title that is longer than them",
            "python3\0/srv/b.py", "python3 /srv/a.py\0", "python3\0/srv/a.p\0\0", "",
            "python3\0/srv/a.py\0A=1\0",
        ] { #expect(!stack.holds(Array(title.utf8)), "\(title)") }
        // The arguments were moved (PR_SET_MM).
        var moved = stack
        moved.start += 16
        #expect(!moved.holds(bytes(["python3", "/srv/a.py"])))
    }

    @Test func ownProcess() throws {
        let directory = try processDirectory(getpid())
        let initial = directory.initialStack()
        let bytes = directory.argumentBytes()
        let name = directory.executedName()
        let stack = try #require(initial)
        #expect(stack.holds(bytes))
        #expect(stack.offsets.count == CommandLine.arguments.count)
        #expect(name?.contains(UInt8(ascii: "/")) == true)
    }

    /// Of a `#!` file it is the file's name, of a program that was found by PATH that of the program.
    @Test func namesOfWhatWasExecuted() throws {
        try withTemporaryFolder { folder in
            let script = folder + "/script"
            try write("#!/bin/sh\necho ready\nread x < \(folder)/fifo\n", to: script, executable: true)
            #expect(mkfifo(folder + "/fifo", 0o600) == 0)
            for (command, expected) in [([script], script), (["sh", script], "/bin/sh")] {
                let child = try Child(command)
                defer { child.kill() }
                #expect(try child.firstLine() == "ready")
                let directory = try processDirectory(child.pid)
                let name = directory.executedName().map { String(decoding: $0, as: UTF8.self) }
                #expect(name == expected || name == "/usr" + expected)
                let bytes = directory.argumentBytes()
                let stack = directory.initialStack()
                #expect(stack?.holds(bytes) == true)
            }
        }
    }

    /// A kernel thread, where there is one to be seen, has none.
    @Test func aProcessWithoutMemory() {
        guard let thread = ProcessDirectory(2), thread.status()?.isKernelThread == true else { return }
        let stack = thread.initialStack()
        let name = thread.executedName()
        let bytes = thread.argumentBytes()
        #expect(stack == nil && name == nil && bytes.isEmpty)
    }
}
