import Glibc
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// `retinue list`, run as a user runs it.
@Suite("retinue list")
struct ListTests {
    private static let web = """
        call,first,second,third,fourth,fifth,time
        exec,1,/sbin/init
        fork,1,20
        exec,20,/usr/bin/web
        open,20,/etc/passwd,r
        open,20,/etc/passwd,r
        connect,10.0.0.1,4000,20,10.0.0.2,5432,1795226400000000000

        """
    private static let database = "exec,5,/usr/bin/db\naccept,10.0.0.2,5432,5,10.0.0.1,4000\n"

    private func inFolder(
        web: String = web, database: String = database, _ body: (String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            try write(web, to: folder + "/web.csv")
            try write(database, to: folder + "/db.csv")
            try body(folder)
        }
    }

    private func list(_ folder: String, _ arguments: String...) throws -> ProgramTests.Outcome {
        let child = try Child([try Products.path("retinue"), "list"] + arguments, folder: folder)
        guard case .exited(let status) = try child.wait() else { throw TestSupport.Failure("it was killed") }
        return .init(status: status, output: child.outputText, errors: child.errorText)
    }

    @Test func theTwoForms() throws {
        try inFolder { folder in
            let expected = """
                10.0.0.1,/sbin/init,10.0.0.1,/usr/bin/web
                10.0.0.1,/usr/bin/web,10.0.0.1,/etc/passwd
                10.0.0.1,/usr/bin/web,10.0.0.2,/usr/bin/db

                """
            let derived = try list(folder, "web.csv", "db.csv")
            #expect(derived == .init(status: 0, output: expected, errors: ""))
            #expect(
                try list(folder, "10.0.0.1=web.csv", "10.0.0.2=./db.csv")
                    == .init(status: 0, output: expected, errors: ""))
            let records = """
                host A,path A,relation,access,host B,path B,count,first,last
                10.0.0.1,/sbin/init,spawn,,10.0.0.1,/usr/bin/web,1,,
                10.0.0.1,/usr/bin/web,file,r,10.0.0.1,/etc/passwd,2,,
                10.0.0.1,/usr/bin/web,connect,,10.0.0.2,/usr/bin/db,1,\
                2026-11-21T02:00:00.000Z,2026-11-21T02:00:00.000Z

                """
            #expect(
                try list(folder, "web.csv", "db.csv", "--format", "records")
                    == .init(status: 0, output: records, errors: ""))
            #expect(
                try list(folder, "web.csv", "db.csv", "-o", "out.csv")
                    == .init(status: 0, output: "", errors: ""))
            #expect(try run(["cat", folder + "/out.csv"]) == expected)
        }
    }

    /// More than is read at a time: records lie across the ends of the pieces.
    @Test func aFileOfManyPieces() throws {
        let folder = String(repeating: "folder/", count: 20)
        var records = "exec,1,/bin/a\n"
        var rows = ""
        for number in 0..<60_000 {
            records += "open,1,/\(folder)\(number),r\n"
            rows += "10.0.0.1,/bin/a,10.0.0.1,/\(folder)\(number)\n"
        }
        #expect(records.utf8.count > 9_000_000)
        try inFolder(web: records) { folder in
            let outcome = try list(folder, "10.0.0.1=web.csv")
            #expect(outcome.status == 0)
            #expect(outcome.output == rows)
        }
    }

    @Test func aBadLineIsNamedAndLeavesNothing() throws {
        try inFolder(database: Self.database + "nonsense\nopen,1,/a,r\nopen,1") { folder in
            try write("before", to: folder + "/out.csv")
            let outcome = try list(folder, "web.csv", "db.csv", "-o", "out.csv")
            #expect(outcome.status == 2)
            #expect(outcome.output.isEmpty)
            #expect(
                outcome.errors.hasPrefix(
                    "retinue: db.csv: line 3: it begins with none of open, fork, exec, accept"))
            #expect(try run(["cat", folder + "/out.csv"]) == "before")
            #expect(try run(["ls", folder]) == "db.csv\nout.csv\nweb.csv\n")

            let lenient = try list(folder, "web.csv", "db.csv", "--lenient")
            #expect(lenient.status == 0)
            #expect(lenient.output.split(separator: "\n").count == 3)
            #expect(
                lenient.errors.hasPrefix(
                    "retinue: db.csv: left out 2 lines that are no record; the first: line 3")
            )
        }
    }

    @Test func whatIsMissingIsSaid() throws {
        let web = Self.web + "connect,10.0.0.1,1,20,10.0.0.9,443\nopen,99,/etc/motd,r"
        try inFolder(web: web) { folder in
            let outcome = try list(folder, "web.csv", "db.csv")
            #expect(outcome.status == 0)
            #expect(outcome.output.split(separator: "\n").count == 3)
            #expect(
                outcome.errors.split(separator: "\n") == [
                    "retinue: web.csv: the last record is taken as it stands, but has no newline behind it: it may be cut off",
                    "retinue: by programs that no record names, left out (--name-unknown keeps them): 1 open",
                    "retinue: without their other side in the records, left out (--format records has them): 1 connect",
                ])
            let named = try list(folder, "web.csv", "db.csv", "--name-unknown", "--format", "records")
            #expect(named.output.contains("\n10.0.0.1,pid:99,file,r,10.0.0.1,/etc/motd,1,,\n"))
            #expect(named.output.contains("\n10.0.0.1,/usr/bin/web,connect,,10.0.0.9,tcp:443,1,,\n"))
        }
    }

    @Test func aMachineWithoutAnAddress() throws {
        try inFolder(database: "exec,5,/usr/bin/db\n") { folder in
            let outcome = try list(folder, "web.csv", "db.csv")
            #expect(outcome.status == 2)
            #expect(
                outcome.errors.hasPrefix(
                    "retinue: db.csv: no accept or connect has the address of its machine"))
        }
    }

    @Test func wrongCommandLines() throws {
        try inFolder { folder in
            for arguments in [["-", "-"], ["10.0.0.1="], ["web.csv", "--format", "table"], ["nowhere.csv"]] {
                let child = try Child([try Products.path("retinue"), "list"] + arguments, folder: folder)
                #expect(try child.wait() == .exited(1))
                #expect(child.outputText.isEmpty)
            }
        }
    }

    /// A signal ends the program as it ends others, and what was written aside is gone.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func anInterruptionLeavesNothingBehind(signal: Int32) throws {
        try inFolder { folder in
            try run(["mkfifo", folder + "/pipe"])
            // Open for reading and writing: the program waits for records that never come.
            let pipe = open(folder + "/pipe", O_RDWR | O_CLOEXEC)
            #expect(pipe >= 0)
            defer { close(pipe) }
            let child = try Child(
                [try Products.path("retinue"), "list", "10.0.0.9=pipe", "-o", "out.csv"], folder: folder)
            let aside = eventually { try? run(["ls", folder]).contains(".part") ? true : nil }
            #expect(aside == true)
            child.signal(signal)
            #expect(try child.wait() == .killed(signal: signal))
            #expect(try run(["ls", folder]) == "db.csv\npipe\nweb.csv\n")
        }
    }

    /// `nohup` and shells without job control want a signal ignored.
    @Test func anIgnoredSignalStaysIgnored() throws {
        try inFolder { folder in
            try run(["mkfifo", folder + "/pipe"])
            let pipe = open(folder + "/pipe", O_RDWR | O_CLOEXEC)
            let command = "trap '' INT; exec \(try Products.path("retinue")) list 10.0.0.9=pipe -o out.csv"
            let child = try Child(["sh", "-c", command], folder: folder)
            let aside = eventually { try? run(["ls", folder]).contains(".part") ? true : nil }
            #expect(aside == true)
            child.signal(SIGINT)
            close(pipe)
            #expect(try child.wait() == .exited(0))
            #expect(try run(["ls", folder]) == "db.csv\nout.csv\npipe\nweb.csv\n")
        }
    }
}

@Suite("Which machine a file is of")
struct MachineFileTests {
    @Test(
        arguments: [
            ("web.csv", nil, "web.csv"), ("10.0.0.1=web.csv", "10.0.0.1", "web.csv"), ("-", nil, "-"),
            ("fd00::1=a=b", "fd00::1", "a=b"), ("name=web.csv", nil, "name=web.csv"), ("=a", nil, "=a"),
            ("./10.0.0.1=web.csv", nil, "./10.0.0.1=web.csv"),
        ] as [(String, String?, String)])
    func argument(text: String, machine: String?, path: String) throws {
        let file = try #require(MachineFile(argument: text))
        #expect(file.machine?.description == machine)
        #expect(file.path == path)
    }

    @Test func nothingIsNoFile() {
        #expect(MachineFile(argument: "") == nil)
        #expect(MachineFile(argument: "10.0.0.1=") == nil)
    }
}
