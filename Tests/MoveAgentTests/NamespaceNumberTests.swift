import CLinux
import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Numbers of processes in their own namespace")
struct NamespaceNumberTests {
    @Test func aFreeRowBesideThoseThatAreTaken() throws {
        // The kernel begins anew with 300.
        #expect(try NamespaceNumber.free(beside: [], limit: 32_768) == 300)
        #expect(try NamespaceNumber.free(beside: [1, 2, 299], limit: 32_768) == 300)
        // Room for 512 before the first, or behind it.
        #expect(try NamespaceNumber.free(beside: [812], limit: 32_768) == 300)
        #expect(try NamespaceNumber.free(beside: [811], limit: 32_768) == 812)
        #expect(try NamespaceNumber.free(beside: [300], limit: 32_768) == 301)
        // Between two, whatever lies behind.
        #expect(try NamespaceNumber.free(beside: [400, 500, 1013, 1200], limit: 32_768) == 501)
        #expect(try NamespaceNumber.free(beside: [400, 500, 1012, 1200], limit: 32_768) == 1201)
    }

    @Test func noRowThatIsLongEnough() throws {
        #expect(try NamespaceNumber.free(beside: [], limit: 812) == 300)
        #expect(throws: MoveError.self) { try NamespaceNumber.free(beside: [], limit: 811) }
        #expect(throws: MoveError.self) {
            try NamespaceNumber.free(beside: Set(stride(from: 400, to: 32_768, by: 400)), limit: 32_768)
        }
    }

    /// Names of files that the other host has sent.
    @Test func numbersThatAreNone() throws {
        let odd: Set<Int32> = [.min, -1, 0, .max]
        #expect(try NamespaceNumber.free(beside: odd, limit: 32_768) == 300)
        #expect(throws: MoveError.self) { try NamespaceNumber.free(beside: [], limit: 0) }
    }

    @Test func threadsOfImages() throws {
        try withTemporaryFolder { folder in
            for name in [
                "core-7.img", "core-21248.img", "core-.img", "core-x.img", "core-99999999999.img",
                "core-8.bin",
                "mm-9.img", "pstree.img", "acore-5.img",
            ] { try write("", to: "\(folder)/\(name)") }
            try makeFolder(folder + "/core-3")
            #expect(try NamespaceNumber.inImages(folder) == [7, 21_248])
            #expect(throws: MoveError.self) { try NamespaceNumber.inImages(folder + "/none") }
        }
    }

    @Test func numbersOfThisNamespace() {
        #expect(NamespaceNumber.of(getpid()) == getpid())
        // What is no process has the number that it was asked for by.
        #expect(NamespaceNumber.of(-5) == -5)
        #expect(NamespaceNumber.limit > 300)
    }

    /// In a process of its own, which has a child in another namespace.
    @Test(.privileged) func numbersOfAnotherNamespace() async {
        await #expect(processExitsWith: .success) {
            var launch = Launch(["sleep", "60"])
            launch.unshared = Int32(clinux_CLONE_NEWPID)
            launch.diesWithParent = true
            let child = try launch.start()
            let number = NamespaceNumber.of(child)
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
            exit(number == 1 && child != 1 ? 0 : 3)
        }
    }
}
