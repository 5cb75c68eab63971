import Observation
import Testing

/// Which argument names the script.
@Suite struct InterpreterTests {
    static let cases: [(String, [String], String?)] = [
        ("/usr/bin/python3.11", ["python3", "a.py"], "a.py"),
        ("/usr/bin/python3.11", ["python3", "-u", "-W", "ignore", "a.py", "-c"], "a.py"),
        ("/usr/bin/python3.11", ["python3", "-uW", "ignore", "a.py"], "a.py"),
        ("/usr/bin/python3.11", ["python3", "-Wignore", "a.py"], "a.py"),
        ("/usr/bin/python3.11", ["python3", "-c", "print(1)"], nil),
        ("/usr/bin/python3.11", ["python3", "-Ic", "print(1)"], nil),
        ("/usr/bin/python3.11", ["python3", "-m", "http.server"], nil),
        ("/usr/bin/python3.11", ["python3", "-"], nil),
        ("/usr/bin/python3.11", ["python3"], nil),
        ("/usr/bin/python3.11", ["python3", "--", "-a.py"], "-a.py"),
        ("/usr/bin/bash", ["bash", "x.sh", "-c"], "x.sh"),
        ("/usr/bin/bash", ["bash", "-eu", "-o", "pipefail", "x.sh"], "x.sh"),
        ("/usr/bin/bash", ["bash", "-euo", "pipefail", "x.sh"], "x.sh"),
        ("/usr/bin/bash", ["-bash"], nil),
        ("/usr/bin/bash", ["bash", "--norc", "--rcfile", "rc", "x.sh"], "x.sh"),
        ("/usr/bin/dash", ["sh", "-c", "x.sh"], nil),
        ("/usr/bin/dash", ["sh", "-ec", "x.sh"], nil),
        ("/usr/bin/dash", ["sh", "-e", "x.sh"], "x.sh"),
        ("/usr/bin/dash", ["sh", "-s", "x"], nil),
        ("/usr/bin/node", ["node", "--inspect", "-r", "dotenv", "x.js"], "x.js"),
        ("/usr/bin/node", ["node", "-e", "1", "x.js"], nil),
        ("/usr/bin/perl", ["perl", "-w", "-I", "lib", "x.pl"], "x.pl"),
        ("/usr/bin/perl", ["perl", "-e", "1"], nil),
        ("/usr/lib/jvm/bin/java", ["java", "-Xmx1g", "-cp", "a.jar:b.jar", "-jar", "x.jar", "y"], "x.jar"),
        ("/usr/lib/jvm/bin/java", ["java", "-cp", "a.jar", "org.Main"], nil),
        ("/usr/lib/jvm/bin/java", ["java", "X.java"], "X.java"),
        ("/usr/bin/mawk", ["awk", "-F", ":", "-f", "x.awk", "in"], "x.awk"),
        ("/usr/bin/mawk", ["awk", "{print}", "in"], nil),
        ("/usr/bin/ruby3.1", ["ruby", "-rjson", "x.rb"], "x.rb"),
        ("/usr/bin/php8.2", ["php", "-d", "a=b", "x.php"], "x.php"),
        ("/usr/bin/cat", ["cat", "x.sh"], nil),
        ("/usr/bin/pythonista", ["pythonista", "a.py"], nil),
        ("/usr/bin/shred", ["shred", "a"], nil),
    ]

    @Test(arguments: cases.indices) func script(number: Int) {
        let (executable, arguments, expected) = Self.cases[number]
        let found = Interpreter.script(
            executable: Array(executable.utf8), arguments: arguments.map { Array($0.utf8) })
        #expect(found.map { String(decoding: $0, as: UTF8.self) } == expected, "\(arguments)")
    }

    @Test func heads() {
        #expect(
            ExecutableHead(parsing: Array("#!/bin/sh\n".utf8)) == .script(interpreter: Array("/bin/sh".utf8)))
        #expect(
            ExecutableHead(parsing: Array("#! \t/usr/bin/env python3 -u\n".utf8))
                == .script(interpreter: Array("/usr/bin/env".utf8)))
        #expect(ExecutableHead(parsing: Array("#!\n".utf8)) == .other)
        #expect(ExecutableHead(parsing: Array("echo\n".utf8)) == .other)
        #expect(ExecutableHead(parsing: []) == .other)
    }

    /// An ELF header with one program header, PT_INTERP at offset 120.
    static let elf: [UInt8] = {
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
        func put(_ value: UInt64, _ size: Int) {
            for index in 0..<size { bytes.append(UInt8(value >> (8 * index) & 255)) }
        }
        put(3, 2)  // e_type ET_DYN
        put(62, 2)  // e_machine
        put(1, 4)  // e_version
        put(0, 8)  // e_entry
        put(64, 8)  // e_phoff
        put(0, 8)  // e_shoff
        put(0, 4)  // e_flags
        put(64, 2)  // e_ehsize
        put(56, 2)  // e_phentsize
        put(1, 2)  // e_phnum
        put(0, 6)
        put(3, 4)  // p_type PT_INTERP
        put(4, 4)  // p_flags
        put(120, 8)  // p_offset
        put(0, 16)
        put(9, 8)  // p_filesz
        put(0, 16)
        return bytes + Array("/lib/ld.so".utf8.prefix(8)) + [0]
    }()

    @Test func elfInterpreter() {
        #expect(ExecutableHead(parsing: Self.elf) == .dynamic(loader: Array("/lib/ld.".utf8)))
        for count in 0..<Self.elf.count { _ = ExecutableHead(parsing: Array(Self.elf.prefix(count))) }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = Self.elf
            for _ in 0..<4 {
                bytes[Int.random(in: 4..<bytes.count, using: &generator)] = .random(in: 0...255)
            }
            _ = ExecutableHead(parsing: bytes)
        }
    }
}
