output "instance_id" {
  description = "For `aws ssm start-session --target`."
  value       = aws_instance.host.id
}

output "host" {
  description = "For the client's --host, from within the network."
  value       = "${aws_instance.host.private_ip}:${var.port}"
}
