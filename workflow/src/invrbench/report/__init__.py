"""What a person is handed: tables, plots and the workbook of one set of test conditions."""
