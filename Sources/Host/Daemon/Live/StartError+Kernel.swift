import Glibc
import KernelProbe
import SystemCalls

extension StartError {
    /// A kernel interface that cannot be used: the cause, and what to do.
    static func missing(
        _ interface: KernelEnvironment.Interface, _ error: SystemError, capability: String,
        since version: String,
        _ environment: KernelEnvironment = .read()
    ) -> StartError {
        if let explanation = environment.explanation(of: interface, code: error.code) {
            return StartError("\(explanation) (\(error))")
        }
        let name = interface.rawValue
        switch error.code {
        case EPERM, EACCES:
            return StartError("\(name) needs \(capability): run as root or under the shipped unit (\(error))")
        case EINVAL, ENOSYS, EPROTONOSUPPORT, EOPNOTSUPP, ENOENT, ECONNREFUSED:
            return StartError(
                "\(name) as needed came with \(version) and this kernel does not have it (\(error))")
        default:
            return StartError("\(name) cannot be opened: \(error)")
        }
    }
}
