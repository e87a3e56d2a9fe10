/** Trino's server: the published jars have no main class. */
public final class StartTrino {
  private StartTrino() {}

  public static void main(String[] arguments) {
    new io.trino.server.Server().start(arguments[0]);
  }
}
