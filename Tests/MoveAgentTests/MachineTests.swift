import Foundation
import Glibc
import TestSupport
import Testing

@testable import MoveAgent

@Suite("A virtual machine")
struct MachineTests {
    /// What is written to a file, run by a shell, and printed.
    private func output(of script: [UInt8]) throws -> [UInt8] {
        let folder = "/tmp/retinue-machine-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(folder, 0o700)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(script).write(to: URL(fileURLWithPath: folder + "/script"))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [folder + "/script"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Array(data)
    }

    /// Words, environments and folders of any bytes come to the program as they are, and mean nothing to the machine's shell.
    @Test func hostileWordsArriveUnchanged() throws {
        var run = ProgramRun(executable: Array("/usr/bin/server".utf8))
        let words = ["server", "", "a'b", "$(touch /tmp/never) `id` \\", "two\nlines", "-x;exit"]
        run.arguments = words.map { Array($0.utf8) } + [[0xff, 0xfe, 0x27]]
        run.environment = [Array("A=it's".utf8), Array("no value".utf8), Array("=odd".utf8)]
        (run.user, run.group, run.groups, run.mask) = (1000, 1001, [4, 5], 0o027)
        run.limits = [
            ProcessLimit(resource: 7, soft: 2048, hard: .max), ProcessLimit(resource: 99, soft: 1, hard: 1),
        ]
        var script = MachineScripts.program(run, named: Array("/usr/bin/server".utf8))
        // What it would execute is printed instead.
        let exec = Array("\nexec ".utf8)
        let place = try #require(script.indices.first { script[$0...].starts(with: exec) })
        script.replaceSubrange(place..<place + exec.count, with: Array("\nprintf '%s\\0' ".utf8))
        let found = try output(of: script).split(separator: 0, omittingEmptySubsequences: false).dropLast()
            .map(Array.init)
        let texts = found.map { String(decoding: $0, as: UTF8.self) }
        #expect(
            Array(found.suffix(run.arguments.count)) == [Array("/usr/bin/server".utf8)]
                + run.arguments.dropFirst())
        #expect(texts.contains("A=it's") && !texts.contains("no value") && !texts.contains("=odd"))
        // A kernel that comes up refuses more open files than fs.nr_open.
        #expect(texts.contains("--nofile=2048:1048576") && !texts.contains { $0.hasSuffix("=1:1") })
        #expect(texts.contains("4,5") && script.starts(with: Array("cd -- '/' || exit 125\numask 27\n".utf8)))
    }

    /// Process 1 is a program of this shell's language, and so is what it reads.
    @Test func scriptsAreWellFormed() throws {
        var run = ProgramRun(executable: [UInt8(ascii: "/")])
        run.stopSignal = 2
        let ports = [ServicePort(isTCP: true, number: 80), ServicePort(isTCP: false, number: 53)]
        let programs = MachineScripts.programs([run], ports)
        let said = try output(of: programs + Array("echo $count $ports $signal_0\n".utf8))
        #expect(String(decoding: said, as: UTF8.self) == "1 tcp:0050 udp:0035 2\n")
        let whole = Array("check() {\n:\n".utf8) + MachineScripts.initial + Array("}\necho whole\n".utf8)
        #expect(try output(of: whole) == Array("whole\n".utf8))
    }

    /// cpio(1) reads the archive: folders, names, modes and content.
    @Test func archiveIsRead() throws {
        var archive = MachineArchive()
        archive.add("init", Array("one".utf8), mode: 0o755)
        archive.add("tools/lib/a", [UInt8](repeating: 7, count: 1001), mode: 0o644)
        archive.add("tools/b", [], mode: 0o644)
        let bytes = archive.close()
        #expect(bytes.count % 4 == 0 && bytes.starts(with: Array("070701".utf8)))
        let text = String(decoding: bytes, as: UTF8.self)
        let names = ["init\0", "tools\0", "tools/lib\0", "tools/lib/a\0", "tools/b\0", "TRAILER!!!\0"]
        var place = text.startIndex
        for name in names {
            let found = try #require(text.range(of: name, range: place..<text.endIndex))
            place = found.upperBound
        }
        #expect(text.components(separatedBy: "070701").count == names.count + 1)
    }

    /// A comma in a path does not end an option of qemu's.
    @Test func commasArePartOfPaths() {
        let words = Machine(cell: Cell(at: "/a,b/c")).words(.init(), isSoftware: true)
        #expect(words.contains { $0.contains("path=/a,,b/c/root,security_model=passthrough") })
        #expect(words.contains("tcg,thread=multi") && words.contains("512M"))
        #expect(Machine(cell: Cell(at: "/a")).words(.init(), isSoftware: false).contains("kvm"))
    }

    @Test func ordersAreRefused() throws {
        #expect(throws: MoveError.self) { try AgentConfiguration(arguments: ["--machine-memory", "12"]) }
        let configuration = try AgentConfiguration(arguments: [
            "--machine-memory=256", "--machine-kernel", "/boot/vmlinuz-1",
        ])
        #expect(configuration.machine.memory == 256 && configuration.machine.kernel == "/boot/vmlinuz-1")
        #expect(Machine.Settings(configuration.machine.value) == configuration.machine)
        #expect(throws: MoveError.self) { try MachineKernel("/etc/passwd") }
    }
}
