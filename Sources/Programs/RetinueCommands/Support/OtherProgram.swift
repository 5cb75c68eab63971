import Glibc
import SystemCalls

/// Another program, which this one becomes.
struct OtherProgram {
    /// Its name, which is also that of its package.
    let program: String

    static let server = OtherProgram(program: "retinue-server")
    static let agent = OtherProgram(program: "retinue-agent")
    static let fleet = OtherProgram(program: "retinue-fleet")

    func run(_ words: [String], for command: String) throws(Failure) {
        let path = try find(for: command)
        var arguments: [UnsafeMutablePointer<CChar>?] = ([program] + words).map { strdup($0) }
        arguments.append(nil)
        // It is reported EPIPE as everybody is who starts new.
        signal(SIGPIPE, SIG_DFL)
        execv(path, arguments)
        let code = errno
        for argument in arguments { free(argument) }
        throw Failure("cannot run \(path): \(SystemError.text(of: code))")
    }

    /// Beside this program, where a build lays it, or where a package does.
    private func find(for command: String) throws(Failure) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        let places = [
            "\(folder)/\(program)", "\(folder)/../libexec/retinue/\(program)", "\(folder)/../sbin/\(program)",
        ]
        guard let place = places.first(where: { access($0, X_OK) == 0 }) else {
            throw Failure(
                "\(command) needs \(program), which is not installed: the package \(program) has it")
        }
        return place
    }
}
